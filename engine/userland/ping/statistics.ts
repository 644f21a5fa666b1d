// ping's accounting: what was sent, answered, repeated; round-trip times in microseconds; the closing lines.

/** Sequence numbers checked for duplicates. */
const MAX_DUP_CHK = 0x10000;

const milliseconds = (us: number): string => `${Math.trunc(us / 1000)}.${String(Math.trunc(us) % 1000).padStart(3, '0')}`;

/** printf("%g") of a percentage. */
function general(n: number): string {
  return String(Number(Math.fround(n).toPrecision(6)));
}

/** Integer square root as iputils computes it. */
function isqrt(a: number): number {
  let previous = Number.POSITIVE_INFINITY;
  let x = a;
  while (x > 0 && x < previous) {
    previous = x;
    x = Math.trunc((x + Math.trunc(a / x)) / 2);
  }
  return x;
}

/** "time=" as ping shows a round trip: three significant digits above a millisecond. */
export function tripText(us: number): string {
  if (us >= 100_000 - 50) return String(Math.trunc((us + 500) / 1000));
  if (us >= 10_000 - 5) return `${Math.trunc((us + 50) / 1000)}.${Math.trunc(((us + 50) % 1000) / 100)}`;
  if (us >= 1000) return `${Math.trunc((us + 5) / 1000)}.${String(Math.trunc(((us + 5) % 1000) / 10)).padStart(2, '0')}`;
  return milliseconds(us);
}

export class PingStatistics {
  ntransmitted = 0;
  nreceived = 0;
  nrepeats = 0;
  nchecksum = 0;
  nerrors = 0;
  tmin = Number.MAX_SAFE_INTEGER;
  tmax = 0;
  tsum = 0;
  tsum2 = 0;
  /** Smoothed round trip, in eighths of a microsecond. */
  rtt = 0;
  pipesize = 0;
  acked = 0;
  private readonly received = new Uint8Array(MAX_DUP_CHK >> 3);

  get inFlight(): number {
    const diff = (this.ntransmitted - this.acked) & 0xffff;
    return diff <= 0x7fff ? diff : this.ntransmitted - this.nreceived - this.nerrors;
  }

  /** An answer to this number, good or bad, has come. */
  acknowledge(seq: number): void {
    const diff = (this.ntransmitted - seq) & 0xffff;
    if (diff > 0x7fff) return;
    if (diff + 1 > this.pipesize) this.pipesize = diff + 1;
    if (
      (((seq - this.acked) & 0xffff) !== 0 && ((seq - this.acked) & 0x8000) === 0) ||
      ((this.ntransmitted - this.acked) & 0xffff) > 0x7fff
    )
      this.acked = seq;
  }

  sent(): void {
    this.ntransmitted++;
    if (((this.ntransmitted - this.acked) & 0xffff) > 0x7fff) this.acked = (this.ntransmitted + 1) & 0xffff;
  }

  trip(us: number): void {
    this.tsum += us;
    this.tsum2 += us * us;
    if (us < this.tmin) this.tmin = us;
    if (us > this.tmax) this.tmax = us;
    if (this.rtt === 0) this.rtt = us * 8;
    else this.rtt += us - Math.trunc(this.rtt / 8);
  }

  isReceived(seq: number): boolean {
    const bit = seq % MAX_DUP_CHK;
    return (this.received[bit >> 3] & (1 << (bit & 7))) !== 0;
  }
  setReceived(seq: number, on: boolean): void {
    const bit = seq % MAX_DUP_CHK;
    if (on) this.received[bit >> 3] |= 1 << (bit & 7);
    else this.received[bit >> 3] &= ~(1 << (bit & 7));
  }

  private deviation(): number {
    const total = this.nreceived + this.nrepeats;
    const mean = Math.trunc(this.tsum / total);
    const variance =
      this.tsum < 0x7fffffff
        ? Math.trunc((this.tsum2 - Math.trunc((this.tsum * this.tsum) / total)) / total)
        : Math.trunc(this.tsum2 / total) - mean * mean;
    return isqrt(variance);
  }

  /** The closing lines. `elapsed` from the first to the last probe, ns; `rate`: intervals were not fixed. */
  summary(host: string, elapsed: number, options: { readonly timing: boolean; readonly rate: boolean }): string {
    let out = `\n--- ${host} ping statistics ---\n${this.ntransmitted} packets transmitted, ${this.nreceived} received`;
    if (this.nrepeats > 0) out += `, +${this.nrepeats} duplicates`;
    if (this.nchecksum > 0) out += `, +${this.nchecksum} corrupted`;
    if (this.nerrors > 0) out += `, +${this.nerrors} errors`;
    if (this.ntransmitted > 0) {
      out += `, ${general(((this.ntransmitted - this.nreceived) * 100) / this.ntransmitted)}% packet loss`;
      out += `, time ${1000 * Math.floor(elapsed / 1e9) + Math.trunc(((elapsed % 1e9) + 500_000) / 1e6)}ms`;
    }
    const tail: string[] = [];
    if (this.nreceived > 0 && options.timing) {
      const mean = Math.trunc(this.tsum / (this.nreceived + this.nrepeats));
      tail.push(
        `rtt min/avg/max/mdev = ${milliseconds(this.tmin)}/${milliseconds(mean)}/${milliseconds(this.tmax)}/${milliseconds(this.deviation())} ms`,
      );
    }
    if (this.pipesize > 1) tail.push(`pipe ${this.pipesize}`);
    if (this.nreceived > 0 && options.rate && this.ntransmitted > 1) {
      const ipg = Math.trunc(elapsed / 1000 / (this.ntransmitted - 1));
      tail.push(`ipg/ewma ${milliseconds(ipg)}/${milliseconds(this.rtt / 8)} ms`);
    }
    return `${out}\n${tail.join(', ')}\n`;
  }

  /** What SIGQUIT shows. */
  status(): string {
    const loss = this.ntransmitted > 0 ? Math.trunc((100 * (this.ntransmitted - this.nreceived)) / this.ntransmitted) : 0;
    let out = `\r${this.nreceived}/${this.ntransmitted} packets, ${loss}% loss`;
    if (this.nreceived > 0 && this.tmax > 0) {
      const mean = Math.trunc(this.tsum / (this.nreceived + this.nrepeats));
      out += `, min/avg/ewma/max = ${[this.tmin, mean, this.rtt / 8, this.tmax].map(milliseconds).join('/')} ms`;
    }
    return `${out}\n`;
  }
}
