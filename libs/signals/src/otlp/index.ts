export { encodeAnswer, encodeStatus, type Refusals } from './answers.js';
export { MalformedOtlpError, type Format } from './model.js';
export { OtlpReceiver } from './receiver.js';
