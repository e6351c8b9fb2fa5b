// What a figure is made of, from bytes, and kept. Joined to figure.js by figure.py.

// By digest: what every figure on this page of the browser has received, the newest last. The server
// is told, and sends only what changes.
const packs = new Map();
const MOST_PACKS = 40;

// [length, JSON], then [length, JSON] [columns] unless they are here already, then [live columns]:
// see figure_pack.py.
function unpack(bytes) {
  const buffer = bytes.slice().buffer;
  let base = 0;
  const head = () => {
    const length = new DataView(buffer).getUint32(base, true);
    const text = new TextDecoder().decode(new Uint8Array(buffer, base + 4, length));
    base += 4 + length;
    return JSON.parse(text);
  };
  const now = head();
  let pack = packs.get(now.digest);
  if (now.packed) {
    pack = { ...head(), buffer, base };
    base += pack.size;
  }
  packs.delete(now.digest);
  if (pack) packs.set(now.digest, pack);
  if (packs.size > MOST_PACKS) packs.delete(packs.keys().next().value);
  return pack && { ...pack, ...now, liveBuffer: buffer, liveBase: base };
}
