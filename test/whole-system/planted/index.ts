import { IN_DECISIONS } from './decisions.js';
import { IN_DELIVERY } from './delivery.js';
import type { PlantedFault } from './fault.js';
import { IN_RECORDS } from './records.js';

/** Faults that might have been made, and the rule that each of them breaks. */
export const PLANTED: readonly PlantedFault[] = [...IN_DECISIONS, ...IN_DELIVERY, ...IN_RECORDS];
