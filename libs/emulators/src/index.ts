export { StoreEmulator, type StoreEmulatorOptions } from './stores/server.js';
export { STORE_FAULTS, STORES, type Store, type StoreFault, type StoreFaultStep } from './stores/script.js';
