/** What is sent back; `hang` answers nothing until the other side gives up. */
export type EmulatedAnswer =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
      /** Closes the connection in the middle of the body. */
      readonly isCutOff?: boolean;
    }
  | { readonly kind: 'hang' };

export type EmulatedRequest = {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
};
