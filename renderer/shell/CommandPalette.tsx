// Every action, plus terminals and things of the lab, found by typing (Ctrl/⌘-K).
import { Command } from 'cmdk';
import { Dialog } from 'radix-ui';
import { allActions, isEnabled, openTerminal, type Action } from '../store/actions.ts';
import { select, setDialog, useStore } from '../store/store.ts';
import { isMac } from './keyboard.ts';
import { showShortcut } from './shortcuts.ts';

function labActions(): readonly Action[] {
  const machines = useStore.getState().topology?.machines ?? [];
  return machines.flatMap((machine) => [
    {
      id: `select.${machine.name}`,
      title: `Select ${machine.name}`,
      group: 'Lab',
      run: () => select({ kind: 'machine', machine: machine.name }),
    },
    {
      id: `term.${machine.name}`,
      title: `New terminal: ${machine.name}`,
      group: 'Terminal',
      run: () => openTerminal({ machine: machine.name }),
    },
    ...machine.namespaces.map((netns): Action => ({
      id: `term.${machine.name}.${netns}`,
      title: `New terminal: ${machine.name}, namespace ${netns}`,
      group: 'Terminal',
      run: () => openTerminal({ machine: machine.name, netns }),
    })),
  ]);
}

/** Every typed word must be in the title; a title that starts with it comes first. */
function fits(value: string, typed: string): number {
  const title = value.toLowerCase();
  const words = typed.toLowerCase().trim().split(/\s+/);
  if (!words.every((word) => title.includes(word))) return 0;
  return title.startsWith(words[0]) ? 1 : 0.5;
}

export function CommandPalette() {
  const close = (): void => setDialog(undefined);
  const actions = [...allActions().filter((action) => action.id !== 'palette'), ...labActions()];
  const groups = [...new Set(actions.map((action) => action.group))];
  return (
    <Dialog.Root open onOpenChange={(open) => !open && close()}>
      <Dialog.Portal>
        <Dialog.Overlay className="scrim" />
        <Dialog.Content className="modal palette" aria-describedby={undefined} data-testid="palette" style={{ '--modal-width': '560px' }}>
          <Dialog.Title className="sr-only">Command palette</Dialog.Title>
          <Command label="Command palette" loop filter={fits}>
            <Command.Input placeholder="Type a command" data-testid="palette-input" className="palette-input" />
            <Command.List className="palette-list" label="Commands">
              <Command.Empty className="empty">Nothing here is called that.</Command.Empty>
              {groups.map((group) => (
                <Command.Group key={group} heading={group}>
                  {actions
                    .filter((action) => action.group === group)
                    .map((action) => (
                      <Command.Item
                        key={action.id}
                        value={`${action.title} ${action.id}`}
                        disabled={!isEnabled(action)}
                        className="palette-item"
                        data-testid={`palette-item-${action.id}`}
                        onSelect={() => {
                          close();
                          setTimeout(() => action.run());
                        }}
                      >
                        <span className="grow">{action.title}</span>
                        {action.shortcuts?.[0] !== undefined && <kbd className="kbd">{showShortcut(action.shortcuts[0], isMac)}</kbd>}
                      </Command.Item>
                    ))}
                </Command.Group>
              ))}
            </Command.List>
          </Command>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
