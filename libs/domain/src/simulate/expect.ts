import type { ChangeReport } from './report.js';
import type { Expectation } from './scenario.js';

/** One claim of a script and whether it came true. */
export type Check = { readonly claim: string; readonly met: boolean; readonly found: string };

const lasting = (ms: number): string =>
  ms < 7_200_000 ? `${Number((ms / 60_000).toFixed(1))} min` : `${Number((ms / 3_600_000).toFixed(1))} h`;

const checksOf = (expected: Expectation, report: ChangeReport): readonly Check[] => {
  const { stop } = report;
  const name = expected.plan === null ? expected.change : `${expected.change} under ${expected.plan}`;
  const checks: Check[] = [];
  const check = (claim: string, met: boolean, found: string): void => {
    checks.push({ claim: `${name} ${claim}`, met, found });
  };
  if (expected.ends !== null) check(`ends ${expected.ends}`, report.outcome === expected.ends, report.outcome);
  if (expected.stage !== null) {
    const found = stop?.stages.join(', ') ?? 'not stopped';
    check(`is stopped in ${expected.stage}`, stop?.stages.includes(expected.stage) === true, found);
  }
  if (expected.by !== null)
    check(`is stopped by ${expected.by}`, stop?.signal === expected.by, stop?.signal ?? 'nothing');
  if (expected.method !== null)
    check(`is stopped with ${expected.method}`, stop?.method === expected.method, stop?.method ?? 'nothing');
  if (expected.withinMs !== null) {
    const found = stop === null ? 'not stopped' : `after ${lasting(stop.afterMs)}`;
    check(`is stopped within ${lasting(expected.withinMs)}`, stop !== null && stop.afterMs <= expected.withinMs, found);
  }
  if (expected.alongside !== null) {
    const others = stop?.alongside.map(({ change }) => change) ?? [];
    check(`is shown beside ${expected.alongside}`, others.includes(expected.alongside), others.join(', ') || 'nothing');
  }
  if (expected.affectedAtMost !== null) {
    const share = report.really.affected === 0 ? 1 : report.withHeadgate.affected / report.really.affected;
    const claim = `affects at most ${expected.affectedAtMost * 100}% of the requests that it really affected`;
    check(claim, share <= expected.affectedAtMost, `${Number((share * 100).toPrecision(2))}%`);
  }
  return checks;
};

/** Holds every claim of a script against the reports of its changes. */
export const checkExpectations = (
  expectations: readonly Expectation[],
  reports: readonly ChangeReport[],
): readonly Check[] =>
  expectations.flatMap((expected) => {
    const report = reports.find(
      ({ change, plan, isComparison }) =>
        change === expected.change && (expected.plan === null ? !isComparison : plan === expected.plan),
    );
    return report
      ? checksOf(expected, report)
      : [{ claim: `${expected.change} is replayed`, met: false, found: 'no such change' }];
  });
