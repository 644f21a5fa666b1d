// What this kernel calls itself: uname's texts, /proc/version, the command line.
import { UTS_RELEASE } from './kernel.ts';

/** uname -v, as Debian 12 names its builds. */
export const UTS_VERSION = '#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)';

/** /proc/version and the first line of the log. */
export const linuxBanner = (): string =>
  `Linux version ${UTS_RELEASE} (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) ${UTS_VERSION}`;

/** /proc/cmdline */
export const COMMAND_LINE = 'console=ttyS0 net.ifnames=0';

/** What the board says it is (DMI), as QEMU and Debian's SeaBIOS fill it in. */
export const HARDWARE_NAME = 'QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1 04/01/2014';
