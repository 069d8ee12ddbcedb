import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const found = (): string | undefined =>
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find((path) => existsSync(path));

/** The browser that the specs drive; undefined where there is none. */
export const chromiumPath = process.env['CHROMIUM_PATH'] ?? found();

export const launch = (): Promise<Browser> =>
  chromium.launch({
    ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }),
    // Containers have neither user namespaces nor a large /dev/shm.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });

export type Look = { readonly scheme?: 'light' | 'dark'; readonly width?: number; readonly height?: number };

export type Visit = {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the browser complained of: errors of scripts, and whatever the policy did not let happen. */
  readonly complaints: readonly string[];
};

/** What the browser says about a refusal or a lost connection that a spec brings about is no fault of the page. */
const EXPECTED = /Failed to load resource|net::ERR_/;

/** A window of its own, not signed in. */
export const visit = async (
  browser: Browser,
  { scheme = 'light', width = 1_440, height = 900 }: Look = {},
): Promise<Visit> => {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    locale: 'en-GB',
    timezoneId: 'Europe/Paris',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !EXPECTED.test(message.text())) complaints.push(message.text());
  });
  page.setDefaultTimeout(20_000);
  return { context, page, complaints };
};

/** Signs in as people do: with a token in the field. */
export const signIn = async (
  page: Page,
  { url, token }: { readonly url: string; readonly token?: string | undefined },
  path = '/ui/',
): Promise<void> => {
  await page.goto(`${url}${path}`);
  await page.getByLabel('Token', { exact: true }).fill(token ?? '');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
};
