// Splits an author's plain text into paragraphs, and each into words and `code`. Pure.

export interface ProsePart {
  readonly text: string;
  readonly code: boolean;
}

/** A blank line ends a paragraph; a backtick without a partner stays a backtick. */
export function proseParts(text: string): readonly (readonly ProsePart[])[] {
  return text
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) =>
      paragraph
        .split(/(`[^`\n]+`)/)
        .filter((part) => part !== '')
        .map((part) => (/^`[^`]+`$/.test(part) ? { text: part.slice(1, -1), code: true } : { text: part, code: false })),
    );
}

/** The same as one line without marks, for places that show no markup. */
export function plainProse(text: string): string {
  return text.trim().replaceAll(/`([^`\n]+)`/g, '$1');
}
