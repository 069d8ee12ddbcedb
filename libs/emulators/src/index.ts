export * from './emulator.js';
export { FAULTS, SERVICES, type Fault, type Service } from './faults.js';
export { AnyFaultScript as FaultScript, type AnyFaultStep as FaultStep } from './script.js';
export { StoreEmulator, type StoreEmulatorOptions } from './stores/server.js';
export { STORE_FAULTS, STORES, type Store, type StoreFault, type StoreFaultStep } from './stores/script.js';
export { Stores } from './stores/stores.js';
