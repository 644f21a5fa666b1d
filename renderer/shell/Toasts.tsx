// Short messages at the lower right: news leaves by itself, an error stays until it is closed.
import { useEffect } from 'react';
import { Icon } from '../widgets/Icon.tsx';
import { dismissToast, useStore, type ToastItem } from '../store/store.ts';

const NEWS_MS = 6_000;

function Toast({ item }: { readonly item: ToastItem }) {
  useEffect(() => {
    if (item.kind === 'error') return undefined;
    const timer = setTimeout(() => dismissToast(item.id), NEWS_MS);
    return () => clearTimeout(timer);
  }, [item]);
  return (
    <div className="toast" data-kind={item.kind} data-testid={`toast-${item.id}`}>
      <Icon name={item.kind === 'error' ? 'error' : 'info'} />
      <p className="grow">{item.text}</p>
      <button
        className="btn btn-icon btn-small"
        aria-label="Close this message"
        data-testid={`toast-close-${item.id}`}
        onClick={() => dismissToast(item.id)}
      >
        <Icon name="close" />
      </button>
    </div>
  );
}

export function Toasts() {
  const toasts = useStore((s) => s.toasts);
  const kind = (wanted: ToastItem['kind']) =>
    toasts.filter((item) => item.kind === wanted).map((item) => <Toast key={item.id} item={item} />);
  return (
    <section className="toasts" aria-label="Messages">
      <div role="status">{kind('info')}</div>
      <div role="alert">{kind('error')}</div>
    </section>
  );
}
