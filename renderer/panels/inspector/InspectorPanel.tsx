// The inspector: what is selected, section by section, each with the command that prints the same; a cable's parameters to change.
import { useState, type ReactNode } from 'react';
import type { CableView, InspectorSection, TopologyView } from '../../../preload/contract.ts';
import { openTerminal } from '../../store/actions.ts';
import { host } from '../../store/host.ts';
import { primarySelection, showRings, toast, useStore, type Selection } from '../../store/store.ts';
import { Icon } from '../../widgets/Icon.tsx';
import { Prose } from '../../widgets/Prose.tsx';
import { useRefresh } from '../../widgets/use_refresh.ts';
import { CableParameters } from './CableParameters.tsx';
import { inspectParams, titleOf } from './inspector_view.ts';
import './inspector.css';

export function InspectorPanel(): ReactNode {
  const topology = useStore((s) => s.topology);
  const selection = useStore(primarySelection);
  const count = useStore((s) => s.selection.length);
  if (topology === undefined) return <p className="empty">Waiting for the host…</p>;
  if (selection === undefined) return <Lab topology={topology} />;
  const cable = selection.kind === 'cable' ? topology.cables.find((candidate) => candidate.id === selection.cable) : undefined;
  return (
    <div className="inspector" role="group" aria-label="What is selected" tabIndex={0} data-testid="inspector">
      <header className="inspector-head">
        <h2 data-testid="inspector-title">{titleOf(selection, cable)}</h2>
        {count > 1 ? <span className="muted">last of {count} selected</span> : undefined}
        <span className="grow" />
        <Shortcuts selection={selection} cable={cable} />
      </header>
      {cable === undefined ? undefined : <CableParameters key={cable.id} cable={cable} />}
      <Sections key={JSON.stringify(selection)} selection={selection} />
    </div>
  );
}

/** Where to look further. */
function Shortcuts({ selection, cable }: { readonly selection: Selection; readonly cable: CableView | undefined }): ReactNode {
  const rings = (machine: string, port: string, label: string): ReactNode => (
    <button
      key={`${machine} ${port}`}
      type="button"
      className="btn btn-small"
      onClick={() => showRings({ machine, port })}
      data-testid={`inspector-rings-${machine}-${port}`}
    >
      {label}
    </button>
  );
  switch (selection.kind) {
    case 'nic':
      return rings(selection.machine, selection.port, 'Rings');
    case 'cable':
      return cable === undefined
        ? undefined
        : [
            rings(cable.a.machine, cable.a.port, `Rings of ${cable.a.machine}`),
            rings(cable.b.machine, cable.b.port, `Rings of ${cable.b.machine}`),
          ];
    case 'machine':
    case 'interface': {
      const netns = selection.kind === 'interface' ? selection.netns : '';
      return (
        <button
          type="button"
          className="btn btn-small"
          onClick={() => openTerminal(netns === '' ? { machine: selection.machine } : { machine: selection.machine, netns })}
          data-testid="inspector-terminal"
        >
          Terminal
        </button>
      );
    }
  }
}

type Shown = { readonly sections: readonly InspectorSection[] } | { readonly error: string } | undefined;

function Sections({ selection }: { readonly selection: Selection }): ReactNode {
  const [shown, setShown] = useState<Shown>();
  useRefresh(JSON.stringify(selection), async () => {
    try {
      const sections = await host.request('inspect.get', inspectParams(selection));
      setShown((old) =>
        old !== undefined && 'sections' in old && JSON.stringify(old.sections) === JSON.stringify(sections) ? old : { sections },
      );
    } catch (error) {
      setShown({ error: error instanceof Error ? error.message : String(error) });
    }
  });
  if (shown === undefined) return undefined;
  if ('error' in shown) return <p className="empty">{shown.error}</p>;
  return shown.sections.map((section) => <Section key={section.title} section={section} />);
}

function Section({ section }: { readonly section: InspectorSection }): ReactNode {
  return (
    <section className="inspector-section" aria-label={section.title}>
      <header>
        <h3>{section.title}</h3>
        {section.command === undefined ? undefined : <Command command={section.command} />}
      </header>
      <dl>
        {section.rows.map((row, i) => (
          <div key={`${i} ${row.name}`} title={row.note}>
            <dt>{row.name}</dt>
            <dd className="mono">{row.value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Command({ command }: { readonly command: string }): ReactNode {
  const copy = (): void => {
    navigator.clipboard.writeText(command).then(
      () => toast('info', `Copied: ${command}`),
      () => toast('error', 'The browser did not allow copying. Select the text and copy it by hand.'),
    );
  };
  return (
    <span className="inspector-command">
      <code className="mono">{command}</code>
      <button
        type="button"
        className="btn btn-small btn-icon btn-quiet"
        aria-label={`Copy ${command}`}
        title="Copy the command"
        onClick={copy}
        data-testid="inspector-copy"
      >
        <Icon name="copy" />
      </button>
    </span>
  );
}

/** Nothing selected: the lab itself. */
function Lab({ topology }: { readonly topology: TopologyView }): ReactNode {
  const { lab } = topology;
  const rows: readonly (readonly [string, string])[] = [
    ['file', lab.path ?? 'not saved yet'],
    ['seed', String(lab.seed)],
    ['machines', String(topology.machines.length)],
    ['cables', String(topology.cables.length)],
  ];
  return (
    <div className="inspector" role="group" aria-label="What is selected" tabIndex={0} data-testid="inspector">
      <header className="inspector-head">
        <h2 data-testid="inspector-title">{lab.name}</h2>
      </header>
      <section className="inspector-section" aria-label="Lab">
        <dl>
          {rows.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd className="mono">{value}</dd>
            </div>
          ))}
        </dl>
        {lab.notes === '' ? undefined : <Prose className="inspector-notes" text={lab.notes} />}
      </section>
      <p className="empty">Select a machine, a NIC, an interface or a cable to see its state, and the command that prints it.</p>
    </div>
  );
}
