import { keepPreviousData, queryOptions, useQuery, type UseQueryResult } from '@tanstack/react-query';
import type {
  AtView,
  BoardView,
  ConfigView,
  EvidenceView,
  HookView,
  OpenChanges,
  RolloutView,
  TargetView,
} from '#libs/contracts';
import type { OpenQuery } from './client.js';
import { useSession } from './session.js';

/** Nothing is asked again because time has passed: events say what has become old. */
const LIVE = { staleTime: Number.POSITIVE_INFINITY } as const;

export const useBoard = (): UseQueryResult<BoardView> => {
  const { api } = useSession();
  return useQuery(queryOptions({ queryKey: ['board'], queryFn: () => api.board(), ...LIVE }));
};

export const useRollout = (id: string): UseQueryResult<RolloutView> => {
  const { api } = useSession();
  return useQuery(queryOptions({ queryKey: ['rollout', id], queryFn: () => api.rollout(id), ...LIVE }));
};

export const useEvidence = (id: string): UseQueryResult<EvidenceView> => {
  const { api } = useSession();
  return useQuery(queryOptions({ queryKey: ['evidence', id], queryFn: () => api.evidence(id), ...LIVE }));
};

export const useTargets = (): UseQueryResult<readonly TargetView[]> => {
  const { api } = useSession();
  return useQuery(queryOptions({ queryKey: ['targets'], queryFn: () => api.targets(), ...LIVE }));
};

export const useConfigs = (): UseQueryResult<readonly ConfigView[]> => {
  const { api } = useSession();
  return useQuery(queryOptions({ queryKey: ['configs'], queryFn: () => api.configs(), ...LIVE }));
};

export const useConfig = (key: string): UseQueryResult<ConfigView> => {
  const { api } = useSession();
  return useQuery(queryOptions({ queryKey: ['config', key], queryFn: () => api.config(key), ...LIVE }));
};

export const useRolloutsOf = (config: string): UseQueryResult<readonly RolloutView[]> => {
  const { api } = useSession();
  return useQuery(queryOptions({ queryKey: ['rollouts', config], queryFn: () => api.rolloutsOf(config), ...LIVE }));
};

/** What was in flight, watched, or had lately ended on a slice at a moment. */
export const useOpenChanges = (query: OpenQuery): UseQueryResult<OpenChanges> => {
  const { api } = useSession();
  return useQuery(
    queryOptions({
      queryKey: ['open', query.at ?? 'now', query],
      queryFn: () => api.openChanges(query),
      placeholderData: keepPreviousData,
      ...LIVE,
    }),
  );
};

export const useHooks = (enabled: boolean): UseQueryResult<readonly HookView[]> => {
  const { api } = useSession();
  return useQuery(queryOptions({ queryKey: ['hooks'], queryFn: () => api.hooks(), enabled, ...LIVE }));
};

/** How it was at a position: with all that is known today, or as it was known at a time. */
export const useAt = (position: number | undefined, asKnownAt?: string): UseQueryResult<AtView> => {
  const { api } = useSession();
  return useQuery(
    queryOptions({
      queryKey: ['at', position, asKnownAt],
      queryFn: () => api.at(position === undefined ? {} : { position, asKnownAt }),
      placeholderData: keepPreviousData,
      enabled: position !== undefined,
      ...LIVE,
    }),
  );
};
