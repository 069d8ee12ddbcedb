import { Kbd, Modal } from '@mantine/core';
import type { JSX } from 'react';
import { HELP } from './keys.js';

/** Which keys do what. */
export const Help = ({ onClose }: { readonly onClose: () => void }): JSX.Element => (
  <Modal
    opened
    onClose={onClose}
    title={<b>Keys</b>}
    centered
    lockScroll={false}
    closeButtonProps={{ 'aria-label': 'Close' }}
  >
    <table className="grid">
      <tbody>
        {HELP.map(([keys, what]) => (
          <tr key={keys}>
            <th scope="row" className="nowrap">
              <Kbd>{keys}</Kbd>
            </th>
            <td>{what}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </Modal>
);
