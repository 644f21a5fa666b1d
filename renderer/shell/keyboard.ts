// Listens for shortcuts on the whole window and runs their actions.
import { allActions, isEnabled } from '../store/actions.ts';
import { store } from '../store/store.ts';
import { findAction, type FocusPlace } from './shortcuts.ts';

export const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

const CONTROLS =
  'button, a[href], [role="button"], [role="tab"], [role="menuitem"], [role="treeitem"], [role="option"], summary, [role="checkbox"], [role="switch"], [role="grid"], [role="tree"], [data-own-keys]';

function focusPlace(target: EventTarget | null): FocusPlace {
  if (!(target instanceof HTMLElement)) return 'page';
  if (target.closest('.xterm')) return 'terminal';
  if (target.closest('input, textarea, select, [contenteditable="true"]')) return 'text';
  return target.closest(CONTROLS) ? 'control' : 'page';
}

/** Returns its own removal. */
export function listenForShortcuts(): () => void {
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing || store.getState().dialog !== undefined || store.getState().pendingLeave) return;
    const action = findAction(allActions(), event, focusPlace(event.target), isMac);
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    if (isEnabled(action)) action.run();
  };
  window.addEventListener('keydown', onKeyDown, { capture: true });
  return () => window.removeEventListener('keydown', onKeyDown, { capture: true });
}
