export { databaseHeads, databaseKeys, verifyDatabase } from './database.js';
export type { EventColumns, Held } from './log-verifier.js';
export { LogVerifier, thoroughWhereAltered } from './log-verifier.js';
export type { Fault, FittingHead, Verdict, VerifyReport } from './report.js';
export type { EvidenceItem, EvidenceSource, HeldHead } from './sources.js';
export { headsSource } from './sources.js';
export { witnessSource } from './witness-source.js';
