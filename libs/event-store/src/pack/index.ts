export type { ListedFile, PackManifest } from './manifest.js';
export { MANIFEST, packManifest, parsePackManifest, sha256Of } from './manifest.js';
export { NotePackSealer } from './pack-sealer.js';
export { unzip, ZipError, zipOf } from './zip.js';
