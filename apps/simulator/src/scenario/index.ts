export {
  baseRate,
  checkFault,
  checkScenario,
  loadScenario,
  parseScenario,
  ScenarioError,
  sliceHas,
  sliceHasTarget,
  type FleetTarget,
  type Scenario,
} from './load.js';
export type { Fault, FaultInput, Slice } from './schema.js';
