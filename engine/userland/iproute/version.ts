// The iproute2 release whose behaviour these tools have.
export const IPROUTE_VERSION = '6.1.0';
