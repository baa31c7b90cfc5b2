// A picture again as a PNG with a palette: a third of the bytes. The design's colours are in it whatever else is; of the
// others those that are alike count as one, so that the greys of letters do not crowd out a colour that is rare.
(async (encoded, design) => {
  const COARSE = 0xf0f0f0, COLOURS = 128;
  const bytes = Uint8Array.from(atob(encoded), (one) => one.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const { width, height } = bitmap;
  const paper = new OffscreenCanvas(width, height).getContext("2d");
  paper.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(paper.getImageData(0, 0, width, height).data.buffer);

  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) || 0) + 1);
  const alike = new Map();
  for (const [colour, count] of counts) {
    const key = colour & COARSE;
    const kind = alike.get(key) || { count: 0, most: 0, colour };
    kind.count += count;
    if (count > kind.most) Object.assign(kind, { most: count, colour });
    alike.set(key, kind);
  }
  const kinds = [...alike.values()].sort((one, other) => other.count - one.count);
  const swapped = (hex) => parseInt(hex.slice(5) + hex.slice(3, 5) + hex.slice(1, 3), 16);
  const opaque = (colour) => (colour | 0xff000000) >>> 0;
  const palette = [...new Set([...design.map(swapped).map(opaque), ...kinds.slice(0, COLOURS).map((kind) => kind.colour)])];
  const places = new Map(palette.map((colour, place) => [colour, place]));
  const parts = (colour) => [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255];
  const known = palette.map(parts);
  const nearest = (colour) => {
    const [red, green, blue] = parts(colour);
    let best = 0, least = Infinity;
    known.forEach(([r, g, b], place) => {
      const far = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
      if (far < least) { least = far; best = place; }
    });
    places.set(colour, best);
    return best;
  };

  const rows = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const colour = pixels[y * width + x];
      rows[y * (width + 1) + 1 + x] = places.get(colour) ?? nearest(colour);
    }
  }
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(packed).arrayBuffer());

  const table = Array.from({ length: 256 }, (_, at) => {
    let value = at;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
  const sum = (all) => (all.reduce((value, one) => (value >>> 8) ^ table[(value ^ one) & 255], -1) ^ -1) >>> 0;
  const number = (value) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
  const chunk = (name, body) => {
    const all = Uint8Array.from([...[...name].map((one) => one.charCodeAt(0)), ...body]);
    return [...number(body.length), ...all, ...number(sum(all))];
  };
  const png = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a,
    ...chunk("IHDR", [...number(width), ...number(height), 8, 3, 0, 0, 0]),
    ...chunk("PLTE", known.flat()),
    ...chunk("IDAT", data),
    ...chunk("IEND", []),
  ];
  let text = "";
  for (const byte of png) text += String.fromCharCode(byte);
  return btoa(text);
})
