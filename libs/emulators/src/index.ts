export * from './emulator.js';
export { FAULTS, FaultScript, SERVICES, type Fault, type FaultStep, type Service } from './faults.js';
