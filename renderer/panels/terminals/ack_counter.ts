// Counts characters drawn and says when to acknowledge them: the host pauses a program with too many unacknowledged. Pure.

const ACK_EVERY = 32_768;

export class AckCounter {
  private unsaid = 0;
  private readonly send: (chars: number) => void;

  constructor(send: (chars: number) => void) {
    this.send = send;
  }

  drawn(chars: number): void {
    this.unsaid += chars;
    if (this.unsaid >= ACK_EVERY) this.flush();
  }

  flush(): void {
    if (this.unsaid === 0) return;
    const chars = this.unsaid;
    this.unsaid = 0;
    this.send(chars);
  }
}
