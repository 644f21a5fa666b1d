// The `?` list: every action that has a shortcut, by group, and the keys of each panel.
import { allActions } from '../store/actions.ts';
import { setDialog } from '../store/store.ts';
import { Modal } from '../widgets/Modal.tsx';
import { isMac } from './keyboard.ts';
import { showShortcut } from './shortcuts.ts';

const PANEL_KEYS: readonly { readonly title: string; readonly keys: readonly (readonly [string, string])[] }[] = [
  {
    title: 'In a terminal',
    keys: [
      ['Shell keys', 'go to the shell; the shortcuts above that work here are F-keys, Ctrl with a digit and Ctrl+Shift with a letter'],
      ['Ctrl+Shift+C, Ctrl+Shift+V', 'copy, paste; selecting copies too'],
      ['F6', 'leave the terminal for the next panel'],
    ],
  },
  {
    title: 'In a list',
    keys: [
      ['↑ ↓ PageUp PageDown Home End', 'walk the rows'],
      ['Enter', 'in the trace: go to the event'],
      ['Ctrl+C', 'copy the row'],
    ],
  },
  {
    title: 'In the timeline',
    keys: [
      ['W S', 'zoom in, zoom out'],
      ['A D', 'earlier, later'],
      ['F', 'fit everything'],
      ['/', 'find a span'],
      ['← →, Enter', 'move the cursor by span, go there in time'],
    ],
  },
];

export function ShortcutList() {
  const actions = allActions().filter((action) => action.shortcuts !== undefined);
  const groups = [...new Set(actions.map((action) => action.group))];
  return (
    <Modal title="Keyboard shortcuts" width={760} testId="shortcuts" onClose={() => setDialog(undefined)}>
      <section className="shortcut-columns" tabIndex={0} aria-label="List of shortcuts">
        {groups.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {actions
                .filter((action) => action.group === group)
                .map((action) => (
                  <div key={action.id}>
                    <dt>{action.title}</dt>
                    <dd>
                      {action.shortcuts?.map((shortcut) => (
                        <kbd className="kbd" key={shortcut}>
                          {showShortcut(shortcut, isMac)}
                        </kbd>
                      ))}
                    </dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
        {PANEL_KEYS.map(({ title, keys }) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl className="shortcut-notes">
              {keys.map(([key, what]) => (
                <div key={key}>
                  <dt>
                    <kbd className="kbd">{key}</kbd>
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </section>
    </Modal>
  );
}
