import type { OpenAPIObject } from '@nestjs/swagger';

/** What is no part of the API: the description itself, what probes ask, and the console. */
const UNDESCRIBED: readonly string[] = ['/openapi.json', '/healthz', '/readyz', '/ui'];
const METHODS = ['get', 'put', 'post', 'delete'] as const;

/** Whether a path is one of a template's, such as `/v1/rollouts/{id}`; like the router, it takes nothing for a name, too. */
const fits = (template: string, path: string): boolean => {
  const wanted = template.split('/');
  const given = path.split('/');
  return wanted.length === given.length && wanted.every((part, index) => part.startsWith('{') || part === given[index]);
};

/** The methods that are there at a path; none where there is nothing. */
export const methodsAt = ({ paths }: Pick<OpenAPIObject, 'paths'>, path: string): readonly string[] => {
  if (UNDESCRIBED.includes(path)) return ['GET'];
  const operations = Object.entries(paths).filter(([template]) => fits(template, path));
  return METHODS.filter((method) => operations.some(([, item]) => item[method] !== undefined)).map((method) =>
    method.toUpperCase(),
  );
};
