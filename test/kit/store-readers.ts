export * from '../../apps/simulator/src/fleet/store-readers.js';
