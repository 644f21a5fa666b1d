// Keeps the window from closing over unsaved edits: a browser asks in its own words, the app asks with our dialog.
import { host } from '../store/host.ts';
import { store } from '../store/store.ts';

let leaving = false;

function onBeforeUnload(event: BeforeUnloadEvent): void {
  if (leaving || !store.getState().run?.dirty) return;
  event.preventDefault();
  if (host.door === 'electron') store.setState({ pendingLeave: close });
}

function close(): Promise<void> {
  leaving = true;
  window.close();
  return Promise.resolve();
}

/** Returns its own removal. */
export function warnBeforeLosingEdits(): () => void {
  window.addEventListener('beforeunload', onBeforeUnload);
  return () => window.removeEventListener('beforeunload', onBeforeUnload);
}
