// Addresses of pictures. The table of sizes comes from /api/capabilities; the rule is that of media/images/variants.py
// and media/images/recipes.py, and a test holds the addresses of both together byte for byte.

const registry = new Map();

// `told` is imageVariants of /api/capabilities.
export function learnVariants(told) {
  registry.clear();
  for (const variant of told.variants) registry.set(variant.name, variant);
}

// What to ask for of a picture of this displayed size: a capped variant asks for no more than the source has.
export function resolveVariant(variant, width, height) {
  const { quality, format } = variant;
  if (variant.sizing === "fixed" || !width || !height) return { width: variant.width, height: variant.height, quality, format };
  return { width: Math.min(variant.width, width), height: Math.min(variant.height, height), quality, format };
}

// Names sorted, empty ones left out, so that equal pictures have equal addresses, whoever builds them.
export function queryOf(recipe, version, pass) {
  const pairs = { ...recipe, v: version, s: pass };
  const names = Object.keys(pairs).filter((name) => pairs[name]).sort();
  return new URLSearchParams(names.map((name) => [name, String(pairs[name])])).toString();
}

// As Python's quote(name, safe=""): encodeURIComponent leaves five characters more as they are.
export function quoted(name) {
  return encodeURIComponent(name.toWellFormed()).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

// Null where there is no picture of this file, or none yet.
export function imageUrl(file, variantName) {
  const variant = registry.get(variantName);
  if (!variant || !file.imageVersion) return null;
  const recipe = resolveVariant(variant, file.imageWidth, file.imageHeight);
  return `/api/files/proxy/${file.libraryId}/${file.id}/${quoted(file.name)}?${queryOf(recipe, file.imageVersion, file.imagePass)}`;
}

// The size at which that picture comes, for the attributes that keep its place: it fits inside, and is never enlarged.
export function imageSize(file, variantName) {
  const variant = registry.get(variantName);
  if (!variant || !file.imageWidth || !file.imageHeight) return {};
  const scale = Math.min(1, variant.width / file.imageWidth, variant.height / file.imageHeight);
  return { width: Math.max(1, Math.round(file.imageWidth * scale)), height: Math.max(1, Math.round(file.imageHeight * scale)) };
}
