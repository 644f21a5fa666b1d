// Problems: what the lab, the guests' kernels or the host complain about; a click goes to the event.
import { gotoEvent } from '../../store/actions.ts';
import { useStore } from '../../store/store.ts';
import { Icon } from '../../widgets/Icon.tsx';
import '../../widgets/lines.css';

export function ProblemsPanel() {
  const problems = useStore((s) => s.problems);
  if (problems.length === 0)
    return <p className="empty">No problems. Errors in the lab file, driver findings and kernel warnings appear here.</p>;
  return (
    <ul className="lines panel-body" aria-label="Problems" tabIndex={0}>
      {problems.map((problem, i) => (
        <li key={`${i}-${problem.text}`} className="line" data-testid={`problems-row-${i}`} data-severity={problem.severity}>
          <Icon name={problem.severity} />
          <span className="sr-only">{problem.severity}: </span>
          <span className="grow line-text">{problem.text}</span>
          <span className="mono muted">{problem.where}</span>
          {problem.event !== undefined && (
            <button className="btn btn-quiet btn-small" onClick={() => gotoEvent(problem.event ?? 0)} title="Go to the moment it happened">
              event {problem.event.toLocaleString('en')}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
