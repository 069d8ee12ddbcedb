// Hands events of Headgate on to Slack, PagerDuty and GitHub deployments. Needs Node 20 and nothing else.
//
//   HOOK_SECRET=whsec_… SLACK_WEBHOOK_URL=https://hooks.slack.com/… node relay.mjs
//
// It answers with success only when every service that is set has taken the event, so Headgate sends the rest again.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const {
  HOOK_SECRET = '',
  PORT = '8080',
  HOST = '127.0.0.1',
  SLACK_WEBHOOK_URL,
  PAGERDUTY_ROUTING_KEY,
  PAGERDUTY_URL = 'https://events.pagerduty.com',
  GITHUB_TOKEN,
  GITHUB_REPOSITORY, // owner/name
  GITHUB_REF = 'main',
  GITHUB_API_URL = 'https://api.github.com',
} = process.env;

const MOST_BYTES = 256 * 1024;
const ANSWER_MS = 3_000;

/** As Standard Webhooks says: any one of the signatures fits, and the time is off by no more than five minutes. */
const isSigned = (headers, body) => {
  const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signatures = '' } = headers;
  if (!(Math.abs(Date.now() / 1_000 - Number(time)) < 300)) return false;
  const key = Buffer.from(HOOK_SECRET.replace('whsec_', ''), 'base64');
  const wanted = createHmac('sha256', key).update(`${id}.${time}.${body}`).digest();
  return signatures.split(' ').some((one) => {
    const given = Buffer.from(one.replace('v1,', ''), 'base64');
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
};

const call = async (method, url, body, headers = {}) => {
  const answer = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', 'user-agent': 'headgate-relay', ...headers },
    signal: AbortSignal.timeout(ANSWER_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${new URL(url).host} answered ${answer.status}: ${text.slice(0, 200)}`);
  return text;
};

const nameOf = ({ config, revision }) => `${config}${revision === undefined ? '' : ` r${revision}`}`;

/** A line in a channel. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
const tellSlack = async ({ data }) => {
  const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  await call('POST', SLACK_WEBHOOK_URL, { text: `*${escape(nameOf(data))}*: ${escape(data.summary)}` });
};

const ALARMS = { DegradationDetected: 'error', RolloutHeld: 'warning' };
const ALL_CLEAR = ['RolloutResumed', 'RolledBack', 'RolloutSettled', 'RolloutSuperseded'];

/** One alert for each rollout; the same key makes a repetition harmless. https://developer.pagerduty.com/docs/events-api-v2 */
const tellPagerDuty = async ({ data, source, time }) => {
  const severity = ALARMS[data.event];
  if (severity === undefined && !ALL_CLEAR.includes(data.event)) return;
  const what = {
    routing_key: PAGERDUTY_ROUTING_KEY,
    dedup_key: data.rollout,
    event_action: severity === undefined ? 'resolve' : 'trigger',
  };
  const summary = `${nameOf(data)}: ${data.summary}`.slice(0, 1_024);
  const payload = { summary, source, severity, timestamp: time, component: data.config, custom_details: data };
  await call('POST', `${PAGERDUTY_URL}/v2/enqueue`, severity === undefined ? what : { ...what, payload });
};

const STATES = {
  RolloutStarted: 'in_progress',
  StageEntered: 'in_progress',
  RolloutHeld: 'pending',
  RolloutResumed: 'in_progress',
  RolloutSettled: 'success',
  RolledBack: 'failure',
  RolloutSuperseded: 'inactive',
};

/** A deployment for each rollout, found again by its task. https://docs.github.com/en/rest/deployments */
const tellGitHub = async ({ data }) => {
  const state = STATES[data.event];
  if (state === undefined) return;
  const headers = { authorization: `Bearer ${GITHUB_TOKEN}`, accept: 'application/vnd.github+json' };
  const deployments = `${GITHUB_API_URL}/repos/${GITHUB_REPOSITORY}/deployments`;
  const task = `headgate:${data.rollout}`;
  const found = JSON.parse(await call('GET', `${deployments}?task=${encodeURIComponent(task)}`, undefined, headers));
  const description = `${nameOf(data)}: ${data.summary}`.slice(0, 140);
  const wanted = {
    ref: GITHUB_REF,
    task,
    environment: data.config,
    auto_merge: false,
    required_contexts: [],
    description,
  };
  const { id } = found[0] ?? JSON.parse(await call('POST', deployments, wanted, headers));
  await call('POST', `${deployments}/${id}/statuses`, { state, description, auto_inactive: false }, headers);
};

const SERVICES = [
  ['slack', SLACK_WEBHOOK_URL !== undefined, tellSlack],
  ['pagerduty', PAGERDUTY_ROUTING_KEY !== undefined, tellPagerDuty],
  ['github', GITHUB_TOKEN !== undefined && GITHUB_REPOSITORY !== undefined, tellGitHub],
].filter(([, isSet]) => isSet);

/** What each service has taken already, so that an event that comes again goes to the others only. */
const done = new Set();

const handOn = async (event) => {
  const faults = [];
  for (const [name, , tell] of SERVICES) {
    const mark = `${name} ${event.id}`;
    if (done.has(mark)) continue;
    try {
      await tell(event);
      done.add(mark);
    } catch (error) {
      faults.push(`${name}: ${error.message}`);
    }
  }
  for (const mark of done) {
    if (done.size <= 10_000) break;
    done.delete(mark);
  }
  return faults;
};

const read = async (request) => {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error('the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

const serve = async (request) => {
  const body = await read(request);
  if (request.method !== 'POST' || !isSigned(request.headers, body)) return [401, ['the signature does not fit']];
  const event = JSON.parse(body);
  // Events about targets and the like have no rollout: nothing here is told of them.
  const faults = event.data.rollout === undefined ? [] : await handOn(event);
  return [faults.length === 0 ? 204 : 502, faults];
};

if (HOOK_SECRET === '') {
  process.stderr.write('HOOK_SECRET is not set: it is what `headgate hooks add` has printed.\n');
  process.exit(2);
}

const server = createServer((request, response) => {
  serve(request)
    .catch((error) => [400, [error.message]])
    .then(([status, faults]) => {
      for (const fault of faults) process.stderr.write(`${fault}\n`);
      response.writeHead(status).end();
    });
});
server.listen(Number(PORT), HOST, () => process.stdout.write(`listening on http://${HOST}:${server.address().port}\n`));
