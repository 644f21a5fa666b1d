// A modal dialog: title, focus in the first field, focus trap, Escape, focus back to where it was. Content and buttons are the caller's.
import { Dialog } from 'radix-ui';
import type { ReactNode } from 'react';
import { Icon } from './Icon.tsx';

interface ModalProps {
  readonly title: string;
  readonly description?: string;
  readonly width?: number;
  readonly testId: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly footer?: ReactNode;
}

const FIRST = '.modal-body :is(input, select, textarea, [tabindex="0"]), .modal-foot .btn-primary';

/** To the first field, else to the main button; the dialog's own choice would be Close. */
function focusFirst(event: Event): void {
  const first = event.currentTarget instanceof Element ? event.currentTarget.querySelector<HTMLElement>(FIRST) : null;
  if (first === null) return;
  event.preventDefault();
  first.focus();
  if (first instanceof HTMLInputElement) first.select();
}

export function Modal({ title, description, width = 480, testId, onClose, children, footer }: ModalProps) {
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="scrim" />
        <Dialog.Content
          className="modal"
          style={{ '--modal-width': `${width}px` }}
          data-testid={testId}
          onOpenAutoFocus={focusFirst}
          {...(description === undefined ? { 'aria-describedby': undefined } : {})}
        >
          <div className="modal-head">
            <Dialog.Title className="modal-title">{title}</Dialog.Title>
            <Dialog.Close className="btn btn-icon btn-small" aria-label="Close" data-testid="dialog-close">
              <Icon name="close" />
            </Dialog.Close>
          </div>
          <div className="modal-body">
            {description !== undefined && <Dialog.Description className="muted">{description}</Dialog.Description>}
            {children}
          </div>
          {footer !== undefined && <div className="modal-foot">{footer}</div>}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
