import '@mantine/core/styles.css';
import './style.css';
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { isFinal } from './api/problem.js';
import { router } from './app/router.js';
import { SignedIn } from './app/signed-in.js';
import { resolver, theme } from './app/theme.js';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => !isFinal(error) && failures < 2,
      // Events say what has become old; coming back to the tab does not.
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
    },
  },
});

const nonce = document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? '';
const place = document.querySelector('#root');
if (!place) throw new Error('The page has no place for the console.');

createRoot(place).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={resolver}
      defaultColorScheme="auto"
      getStyleNonce={() => nonce}
    >
      <QueryClientProvider client={client}>
        <SignedIn>
          <RouterProvider router={router} />
        </SignedIn>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
