export type { SignedHead, TreeHead } from './checkpoint.js';
export { checkpointText, parseCheckpoint, signerOfHead } from './checkpoint.js';
export { KeyFile } from './key-file.js';
export { PostgresLogTree } from './log-tree.js';
export type { Note, Signer, Verifier } from './note.js';
export {
  isSignedBy,
  newSigner,
  NoteError,
  parseNote,
  parseSigner,
  parseVerifier,
  signNote,
  verifierOf,
  verifierText,
} from './note.js';
export { RotationError, rotateSealKey } from './rotate.js';
export type { SealKey } from './seal-key.js';
export { isVouchedFor, parseStatement, vouchFor } from './seal-key.js';
export { SealFault } from './seal-fault.js';
export type { KeySource, SealerOptions } from './sealer.js';
export { Sealer } from './sealer.js';
export { WitnessFile } from './witness-file.js';
export type { WitnessLine } from './witness-line.js';
export { parseWitnessLine, witnessJson } from './witness-line.js';
export type { WebhookOptions } from './witness-webhook.js';
export { webhookKey, webhookSignature, WitnessWebhook } from './witness-webhook.js';
