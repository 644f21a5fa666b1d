// The window: bar, dock, and what floats above them.
import { useEffect } from 'react';
import { Bar } from './shell/Bar.tsx';
import { CommandPalette } from './shell/CommandPalette.tsx';
import { Dock } from './shell/Dock.tsx';
import { listenForShortcuts } from './shell/keyboard.ts';
import { ExportPackets, LabText, OpenLab, SaveAs, UnsavedGuard } from './shell/LabDialogs.tsx';
import { RunUntil } from './shell/RunUntil.tsx';
import { ShortcutList } from './shell/ShortcutList.tsx';
import { Toasts } from './shell/Toasts.tsx';
import { warnBeforeLosingEdits } from './shell/unsaved.ts';
import { useStore } from './store/store.ts';
import './shell/shell.css';

function OpenDialog() {
  const dialog = useStore((s) => s.dialog);
  switch (dialog) {
    case 'palette':
      return <CommandPalette />;
    case 'shortcuts':
      return <ShortcutList />;
    case 'run-until':
      return <RunUntil />;
    case 'lab-text':
      return <LabText />;
    case 'open':
      return <OpenLab />;
    case 'save-as':
      return <SaveAs />;
    case 'export':
      return <ExportPackets />;
    case undefined:
      return undefined;
  }
}

export function App() {
  useEffect(listenForShortcuts, []);
  useEffect(warnBeforeLosingEdits, []);
  return (
    <>
      <Bar />
      <Dock />
      <OpenDialog />
      <UnsavedGuard />
      <Toasts />
    </>
  );
}
