export { refusedUrl } from './address.js';
export { HookCourier } from './hook-courier.js';
export type { HookAddress, HookCourierOptions, Turn } from './hook-courier.js';
export { HookKey, HookKeyError } from './hook-key.js';
export { PostgresHookStore } from './hook-store.js';
export type { HookStatus } from './hook-store.js';
