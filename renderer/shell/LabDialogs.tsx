// Dialogs about files: the lab's text, save as, packet export, and "save your changes?".
import { useEffect, useState, type FormEvent } from 'react';
import { openLab } from '../store/actions.ts';
import { host } from '../store/host.ts';
import { attempt, replaceLab, setDialog, store, toast, useStore } from '../store/store.ts';
import { Icon } from '../widgets/Icon.tsx';
import { Modal } from '../widgets/Modal.tsx';

const close = (): void => setDialog(undefined);

export function LabText() {
  const [text, setText] = useState<string>();
  useEffect(() => {
    attempt(async () => setText(await host.request('lab.text', {})));
  }, []);
  return (
    <Modal
      title="The lab as text"
      description="What Save writes: YAML, see docs/lab-format.md."
      width={720}
      testId="lab-text-dialog"
      onClose={close}
      footer={
        <button
          className="btn"
          onClick={() =>
            attempt(async () => {
              await navigator.clipboard.writeText(text ?? '');
              toast('info', 'Copied the lab');
            })
          }
        >
          <Icon name="copy" /> Copy
        </button>
      }
    >
      <pre className="lab-text mono" data-testid="lab-text" tabIndex={0} aria-label="Lab file">
        {text ?? 'Reading…'}
      </pre>
    </Modal>
  );
}

interface PathDialogProps {
  readonly title: string;
  readonly description: string;
  readonly initial: string;
  readonly action: string;
  readonly testId: string;
  readonly needed: boolean;
  readonly submit: (path: string) => Promise<void>;
}

function PathDialog({ title, description, initial, action, testId, needed, submit }: PathDialogProps) {
  const [path, setPath] = useState(initial);
  const [error, setError] = useState<string>();
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    submit(path.trim()).then(close, (e: unknown) => setError(e instanceof Error ? e.message : String(e)));
  };
  return (
    <Modal
      title={title}
      description={description}
      width={520}
      testId={`${testId}-dialog`}
      onClose={close}
      footer={
        <>
          <button className="btn" onClick={close}>
            Cancel
          </button>
          <button
            className="btn btn-primary"
            type="submit"
            form={`${testId}-form`}
            data-testid={`${testId}-go`}
            disabled={needed && path.trim() === ''}
          >
            {action}
          </button>
        </>
      }
    >
      <form id={`${testId}-form`} className="form-rows" onSubmit={onSubmit}>
        <label>
          <span>File</span>
          <input
            className="field mono"
            value={path}
            data-testid={`${testId}-path`}
            aria-invalid={error !== undefined}
            aria-describedby={`${testId}-error`}
            spellCheck={false}
            onChange={(e) => {
              setPath(e.target.value);
              setError(undefined);
            }}
          />
        </label>
        <p id={`${testId}-error`} className="field-error" role="alert">
          {error}
        </p>
      </form>
    </Modal>
  );
}

export function OpenLab() {
  return (
    <PathDialog
      title="Open a lab file"
      description="A path on this computer, ending in .lab.yaml. The labs of your library are in the Labs panel."
      initial=""
      action="Open"
      testId="open"
      needed
      submit={async (path) => {
        if (store.getState().run?.dirty) openLab(path);
        else replaceLab(await host.request('lab.open', { path }));
      }}
    />
  );
}

export function SaveAs() {
  const lab = store.getState().topology?.lab;
  return (
    <PathDialog
      title="Save the lab as"
      description="A path on this computer; a bare name goes to your labs folder."
      initial={lab?.path ?? `${lab?.name ?? 'lab'}.lab.yaml`}
      action="Save"
      testId="save"
      needed
      submit={async (path) => {
        const saved = await host.request('lab.save', { path });
        toast('info', `Saved ${saved.path}`);
        const { pendingLeave } = store.getState();
        store.setState({ pendingLeave: undefined });
        if (pendingLeave) attempt(pendingLeave);
      }}
    />
  );
}

export function ExportPackets() {
  return (
    <PathDialog
      title="Export packets"
      description="Every frame seen on every cable, as pcapng with one interface per port. Leave the name empty to let Ringscope choose one."
      initial=""
      action="Export"
      testId="export"
      needed={false}
      submit={async (path) => {
        const saved = await host.request('packets.export', path === '' ? {} : { path });
        toast('info', `Wrote ${saved.packets.toLocaleString('en')} packets to ${saved.path}`);
      }}
    />
  );
}

/** Asks before a lab with unsaved edits is left. */
export function UnsavedGuard() {
  const next = useStore((s) => s.pendingLeave);
  const name = useStore((s) => s.topology?.lab.name);
  const naming = useStore((s) => s.dialog === 'save-as');
  const cancel = (): void => store.setState({ pendingLeave: undefined });
  if (!next || naming) return undefined;
  const leave = (work: () => Promise<void>): void => {
    cancel();
    attempt(work);
  };
  const saveFirst = async (): Promise<void> => {
    await host.request('lab.save', {});
    await next();
  };
  return (
    <Modal
      title={`Save changes to ${name ?? 'this lab'}?`}
      description="The lab was edited and the edits are not in its file yet."
      width={420}
      testId="unsaved"
      onClose={cancel}
      footer={
        <>
          <button className="btn" data-testid="unsaved-cancel" onClick={cancel}>
            Cancel
          </button>
          <button className="btn" data-testid="unsaved-discard" onClick={() => leave(next)}>
            Discard
          </button>
          <button
            className="btn btn-primary"
            data-testid="unsaved-save"
            onClick={() => (store.getState().topology?.lab.path === undefined ? setDialog('save-as') : leave(saveFirst))}
          >
            Save
          </button>
        </>
      }
    >
      {undefined}
    </Modal>
  );
}
