/**
 * Images in qcow2, version 2, as other hosts make them: written without empty clusters, and read back after a guest
 * has changed them. @source QEMU docs/interop/qcow2.txt
 */
const MAGIC = 0x514649fb;
const VERSION = 2;
const CLUSTER_BITS = 16;
const CLUSTER = 1 << CLUSTER_BITS;
const ENTRIES = CLUSTER / 8;
/** Set in an entry of a table whose cluster has one user. */
const COPIED = 1n << 63n;
const OFFSET = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
/** The header, one cluster of the table of reference counts, one of counts, the first table, the second. */
const HEADER = { clusterBits: 20, size: 24, tables: 36, table: 40, countTable: 48, countClusters: 56 };
const COUNT_TABLE = 1;
const COUNTS = 2;
const FIRST_TABLE = 3;
const SECOND_TABLE = 4;
const FIRST_DATA = 5;

/** `bytes`: how large the guest sees it, at most 512 MiB. Clusters in which `content` has only zeros are not allocated. */
export function qcow2(content: Uint8Array, bytes: number): Uint8Array {
  if (bytes > ENTRIES * CLUSTER || content.length > bytes) throw new RangeError(`an image of ${bytes} bytes`);
  const used = clustersOf(content).filter(({ data }) => data.some((byte) => byte !== 0));
  const image = new Uint8Array((FIRST_DATA + used.length) * CLUSTER);
  const view = new DataView(image.buffer);
  for (const [index, word] of [MAGIC, VERSION].entries()) view.setUint32(index * 4, word);
  view.setUint32(HEADER.clusterBits, CLUSTER_BITS);
  view.setBigUint64(HEADER.size, BigInt(bytes));
  view.setUint32(HEADER.tables, 1);
  view.setBigUint64(HEADER.table, BigInt(FIRST_TABLE * CLUSTER));
  view.setBigUint64(HEADER.countTable, BigInt(COUNT_TABLE * CLUSTER));
  view.setUint32(HEADER.countClusters, 1);
  view.setBigUint64(COUNT_TABLE * CLUSTER, BigInt(COUNTS * CLUSTER));
  view.setBigUint64(FIRST_TABLE * CLUSTER, BigInt(SECOND_TABLE * CLUSTER) | COPIED);
  for (let cluster = 0; cluster < FIRST_DATA + used.length; cluster++)
    view.setUint16(COUNTS * CLUSTER + cluster * 2, 1);
  for (const [index, { place, data }] of used.entries()) {
    const offset = (FIRST_DATA + index) * CLUSTER;
    view.setBigUint64(SECOND_TABLE * CLUSTER + place * 8, BigInt(offset) | COPIED);
    image.set(data, offset);
  }
  return image;
}

/** What a guest sees in an image of these; zeros where nothing is allocated. */
export function contentOf(image: Uint8Array): Uint8Array {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  if (
    view.getUint32(0) !== MAGIC ||
    view.getUint32(4) !== VERSION ||
    view.getUint32(HEADER.clusterBits) !== CLUSTER_BITS
  )
    throw new RangeError('this is no image of qcow2(), changed by a guest');
  const content = new Uint8Array(Number(view.getBigUint64(HEADER.size)));
  const table = Number(view.getBigUint64(HEADER.table));
  const second = Number(view.getBigUint64(table) & OFFSET);
  for (let place = 0; place * CLUSTER < content.length; place++) {
    const entry = view.getBigUint64(second + place * 8);
    if ((entry & COMPRESSED) !== 0n) throw new RangeError('a guest compresses nothing');
    const offset = Number(entry & OFFSET);
    if (offset !== 0)
      content.set(
        image.subarray(offset, offset + Math.min(CLUSTER, content.length - place * CLUSTER)),
        place * CLUSTER,
      );
  }
  return content;
}

function clustersOf(content: Uint8Array): { place: number; data: Uint8Array }[] {
  const count = Math.ceil(content.length / CLUSTER);
  return Array.from({ length: count }, (_, place) => ({
    place,
    data: content.subarray(place * CLUSTER, (place + 1) * CLUSTER),
  }));
}
