// Plain text a lab's author wrote: paragraphs, and `code` between backticks. Nothing else is markup.
import type { ReactNode } from 'react';
import { proseParts } from './prose_parts.ts';

export function Prose({ text, className }: { readonly text: string; readonly className?: string }): ReactNode {
  return proseParts(text).map((parts, i) => (
    <p key={i} className={className}>
      {parts.map((part, n) => (part.code ? <code key={n}>{part.text}</code> : part.text))}
    </p>
  ));
}
