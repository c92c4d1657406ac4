/**
 * The architecture, as rules. Data and imports flow one way:
 *   wire → (nothing) · contracts, xen → wire · kit → those · services → kit and below, never each other ·
 *   policy, image → manifests only · host → image, manifests · cli → contracts, host, image, and the kit's RPC.
 */
/** Test code may use the in-memory Xen and its neighbours. */
const TEST_CODE = ['\\.test\\.ts$', '/testing/', 'fake-'];
const SERVICE = '^src/services/([^/]+)/';

/** `from` may import only `to` (and its own folder), and what is of a type in `free`. */
const only = (name, from, to, comment, free = ['type-only']) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, pathNot: TEST_CODE },
  to: { pathNot: [from, ...to], dependencyTypesNot: free },
});

/** The operator's side may use Node's own modules. */
const OPERATOR = ['type-only', 'core'];
const PURE = ['^src/wire/', '^src/contracts/', '^src/xen/(ports|xenstore-port)\\.ts$'];

module.exports = {
  forbidden: [
    only('wire', '^src/wire/', [], 'codecs know no clock, no I/O, no other part'),
    only('contracts', '^src/contracts/', ['^src/wire/', 'node_modules/zod'], 'a conversation is data and schemas'),
    only('xen', '^src/xen/', [...PURE, '^runtime/', '^ennead:rt$', '^src/kit/'], 'adapters know ports, nothing above'),
    only(
      'kit',
      '^src/kit/',
      [...PURE, '^src/xen/real/', '^ennead:rt$', 'node_modules/zod'],
      'what every service shares',
    ),
    only(
      'services',
      '^src/services/',
      [...PURE, '^src/xen/real/', '^src/kit/', '^ennead:rt$', 'node_modules/zod'],
      'a service stands on kit and below',
    ),
    {
      name: 'services-are-strangers',
      comment: 'a service never imports another one: they talk through contracts',
      severity: 'error',
      from: { path: SERVICE },
      to: { path: '^src/services/', pathNot: '^src/services/$1/' },
    },
    {
      name: 'no-node-in-services',
      comment: 'service code runs on ennead-rt',
      severity: 'error',
      from: { path: '^src/(wire|contracts|kit|services|xen/real)/', pathNot: TEST_CODE },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'manifests-only',
      comment: 'policy and images are made from manifests, not from service code',
      severity: 'error',
      from: { path: '^src/(policy|image)/', pathNot: TEST_CODE },
      to: { path: '^src/(services|kit)/', pathNot: ['/manifest\\.ts$'] },
    },
    only('host', '^src/host/', ['^src/image/', '/manifest\\.ts$'], 'a machine made of images', OPERATOR),
    only(
      'cli',
      '^src/cli/',
      [...PURE, '^src/host/', '^src/image/', '^src/kit/rpc\\.ts$', 'node_modules/(commander|peggy)'],
      'an unprivileged client: it knows what Toolstack says, not how Toolstack works',
      OPERATOR,
    ),
    only(
      'xenstored',
      '^src/xenstored/',
      [...PURE, '^src/xen/real/', '^src/kit/', '^src/services/xenstore-(logic|state)/', '^src/image/', '^ennead:rt$'],
      "XenStore's two programs without Xen: a transport, and nothing else of their own",
      OPERATOR,
    ),
    {
      name: 'nobody-imports-cli',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/cli/', ...TEST_CODE] },
      to: { path: '^src/cli/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['\\.d\\.ts$', '\\.test\\.ts$', 'config\\.ts$', '/main\\.ts$'] },
      to: {},
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js'] },
  },
};
