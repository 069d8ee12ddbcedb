import { Button, type ButtonProps } from '@mantine/core';
import { createLink, type LinkComponent } from '@tanstack/react-router';
import type { AnchorHTMLAttributes, JSX, Ref } from 'react';

type Props = ButtonProps &
  Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof ButtonProps> & { readonly ref?: Ref<HTMLAnchorElement> };

const Base = (props: Props): JSX.Element => <Button component="a" {...props} />;
const Made = createLink(Base);

/** A link that looks like a button: it leads somewhere and does nothing. */
export const LinkButton: LinkComponent<typeof Base> = (props) => <Made {...props} />;
