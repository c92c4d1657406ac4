/* Registration of the module: every export goes through one trampoline, which knows its name. */
#include "argument.h"

#define EXPORTS_MAX 256

JSClassID module_uint8_class;
int program_argc;
char **program_argv;

static const struct rt_export *const tables[] = {
    program_exports, loop_exports,   file_exports,  path_exports,          system_exports, process_exports,
    socket_exports,  network_exports, block_exports, event_channel_exports, region_exports, domain_exports,
    domain_build_exports, device_exports, host_exports, rollback_exports,  box_exports,
};

static const struct rt_export *exports[EXPORTS_MAX];
static int export_count;
static const char *current_op = "start";

const char *module_current_op(void) { return current_op; }

/* Options objects may have getters, so one export can run inside another. */
static JSValue call(JSContext *ctx, JSValueConst this_value, int argc, JSValueConst *argv, int index) {
  (void)this_value, (void)argc; /* QuickJS pads argv to the arity */
  const char *outer = current_op;
  current_op = exports[index]->name;
  JSValue result = exports[index]->call(ctx, argv);
  current_op = outer;
  return result;
}

static JSValue arguments(JSContext *ctx) {
  JSValue list = JS_NewArray(ctx);
  for (int i = 0; i < program_argc; i++)
    result_append(ctx, &list, (uint32_t)i, JS_NewString(ctx, program_argv[i]));
  return list;
}

static int initialise(JSContext *ctx, JSModuleDef *module) {
  for (int i = 0; i < export_count; i++) {
    JSValue function =
        JS_NewCFunctionMagic(ctx, call, exports[i]->name, exports[i]->arity, JS_CFUNC_generic_magic, i);
    if (JS_SetModuleExport(ctx, module, exports[i]->name, function) < 0)
      return -1;
  }
  return JS_SetModuleExport(ctx, module, "args", arguments(ctx));
}

int module_register(JSContext *ctx) {
  export_count = 0;
  JSModuleDef *module = JS_NewCModule(ctx, RT_MODULE, initialise);
  if (!module || JS_AddModuleExport(ctx, module, "args") < 0)
    return -1;
  for (size_t table = 0; table < sizeof tables / sizeof *tables; table++)
    for (const struct rt_export *export = tables[table]; export->name && export_count < EXPORTS_MAX; export++) {
      exports[export_count++] = export;
      if (JS_AddModuleExport(ctx, module, export->name) < 0)
        return -1;
    }
  JSValue sample = new_bytes(ctx, "", 0);
  module_uint8_class = JS_GetClassID(sample);
  JS_FreeValue(ctx, sample);
  return module_uint8_class == JS_INVALID_CLASS_ID ? -1 : 0;
}
