import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

const water: MantineColorsTuple = [
  '#e6f5fa',
  '#cfe8f1',
  '#a0d0e2',
  '#6fcbe8',
  '#3fa6c8',
  '#1b83a6',
  '#0f7091',
  '#0a5f7c',
  '#084e66',
  '#063c4f',
];

const dark: MantineColorsTuple = [
  '#e9eef3',
  '#c9d1d9',
  '#a3afbb',
  '#7d8a97',
  '#3a4753',
  '#2c3843',
  '#1d262f',
  '#151c23',
  '#0d1217',
  '#090d11',
];

export const theme = createTheme({
  colors: { water, dark },
  primaryColor: 'water',
  primaryShade: { light: 7, dark: 7 },
  defaultRadius: 'md',
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace',
  cursorType: 'pointer',
});

/** Text that is set back, and placeholders, have to be read as well. */
export const resolver: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#4d5864',
    '--mantine-color-placeholder': '#5f6b77',
    '--mantine-color-body': '#ffffff',
    '--mantine-color-text': '#12181f',
    '--mantine-color-red-filled': '#b3201a',
    '--mantine-color-red-outline': '#b3201a',
    '--mantine-color-error': '#b3201a',
  },
  dark: {
    '--mantine-color-dimmed': '#a3afbb',
    '--mantine-color-placeholder': '#94a1ae',
    '--mantine-color-body': '#151c23',
    '--mantine-color-text': '#e9eef3',
    '--mantine-color-red-filled': '#c4302a',
    '--mantine-color-red-outline': '#ff8a80',
    '--mantine-color-error': '#ff8a80',
  },
});
