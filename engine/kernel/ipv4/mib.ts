// SNMP counters of a namespace as arrays, and their names in the order in which /proc/net/{snmp,netstat,snmp6} print them.

const index = <N extends string>(names: readonly N[]): { readonly [K in N]: number } =>
  Object.freeze(Object.fromEntries(names.map((n, i) => [n, i]))) as { readonly [K in N]: number };

/** /proc/net/snmp's Ip line after Forwarding and DefaultTTL. */
const SNMP_IP = [
  'InReceives',
  'InHdrErrors',
  'InAddrErrors',
  'ForwDatagrams',
  'InUnknownProtos',
  'InDiscards',
  'InDelivers',
  'OutRequests',
  'OutDiscards',
  'OutNoRoutes',
  'ReasmTimeout',
  'ReasmReqds',
  'ReasmOKs',
  'ReasmFails',
  'FragOKs',
  'FragFails',
  'FragCreates',
] as const;
/** /proc/net/netstat's IpExt line. */
const NETSTAT_IPEXT = [
  'InNoRoutes',
  'InTruncatedPkts',
  'InMcastPkts',
  'OutMcastPkts',
  'InBcastPkts',
  'OutBcastPkts',
  'InOctets',
  'OutOctets',
  'InMcastOctets',
  'OutMcastOctets',
  'InBcastOctets',
  'OutBcastOctets',
  'InCsumErrors',
  'InNoECTPkts',
  'InECT1Pkts',
  'InECT0Pkts',
  'InCEPkts',
  'ReasmOverlaps',
] as const;
const IP_ALL = [...SNMP_IP, ...NETSTAT_IPEXT, 'InTooBigErrors', 'OutForwDatagrams'] as const;
export const IPSTATS = index(IP_ALL);

const SNMP_ICMP = [
  'InMsgs',
  'InErrors',
  'InCsumErrors',
  'InDestUnreachs',
  'InTimeExcds',
  'InParmProbs',
  'InSrcQuenchs',
  'InRedirects',
  'InEchos',
  'InEchoReps',
  'InTimestamps',
  'InTimestampReps',
  'InAddrMasks',
  'InAddrMaskReps',
  'OutMsgs',
  'OutErrors',
  'OutRateLimitGlobal',
  'OutRateLimitHost',
  'OutDestUnreachs',
  'OutTimeExcds',
  'OutParmProbs',
  'OutSrcQuenchs',
  'OutRedirects',
  'OutEchos',
  'OutEchoReps',
  'OutTimestamps',
  'OutTimestampReps',
  'OutAddrMasks',
  'OutAddrMaskReps',
] as const;
export const ICMPSTATS = index(SNMP_ICMP);
/** ICMP types whose messages the Icmp line counts itself, [type, suffix]. */
const ICMP_TYPES: readonly (readonly [number, string])[] = [
  [3, 'DestUnreachs'],
  [11, 'TimeExcds'],
  [12, 'ParmProbs'],
  [4, 'SrcQuenchs'],
  [5, 'Redirects'],
  [8, 'Echos'],
  [0, 'EchoReps'],
  [13, 'Timestamps'],
  [14, 'TimestampReps'],
  [17, 'AddrMasks'],
  [18, 'AddrMaskReps'],
];

const SNMP_TCP = [
  'RtoAlgorithm',
  'RtoMin',
  'RtoMax',
  'MaxConn',
  'ActiveOpens',
  'PassiveOpens',
  'AttemptFails',
  'EstabResets',
  'CurrEstab',
  'InSegs',
  'OutSegs',
  'RetransSegs',
  'InErrs',
  'OutRsts',
  'InCsumErrors',
] as const;
export const TCPSTATS = index(SNMP_TCP);
const SNMP_UDP = [
  'InDatagrams',
  'NoPorts',
  'InErrors',
  'OutDatagrams',
  'RcvbufErrors',
  'SndbufErrors',
  'InCsumErrors',
  'IgnoredMulti',
  'MemErrors',
] as const;
export const UDPSTATS = index(SNMP_UDP);

/** /proc/net/snmp6, in order, without the Icmp6In/OutTypeN lines that follow Icmp6OutMLDv2Reports when they are not zero. */
const SNMP6_IP6 = [
  'InReceives',
  'InHdrErrors',
  'InTooBigErrors',
  'InNoRoutes',
  'InAddrErrors',
  'InUnknownProtos',
  'InTruncatedPkts',
  'InDiscards',
  'InDelivers',
  'OutForwDatagrams',
  'OutRequests',
  'OutDiscards',
  'OutNoRoutes',
  'ReasmTimeout',
  'ReasmReqds',
  'ReasmOKs',
  'ReasmFails',
  'FragOKs',
  'FragFails',
  'FragCreates',
  'InMcastPkts',
  'OutMcastPkts',
  'InOctets',
  'OutOctets',
  'InMcastOctets',
  'OutMcastOctets',
  'InBcastOctets',
  'OutBcastOctets',
  'InNoECTPkts',
  'InECT1Pkts',
  'InECT0Pkts',
  'InCEPkts',
] as const;
const SNMP6_ICMP6 = ['InMsgs', 'InErrors', 'OutMsgs', 'OutErrors', 'InCsumErrors', 'OutRateLimitHost'] as const;
export const ICMP6STATS = index(SNMP6_ICMP6);
const ICMP6_TYPES: readonly (readonly [number, string])[] = [
  [1, 'DestUnreachs'],
  [2, 'PktTooBigs'],
  [3, 'TimeExcds'],
  [4, 'ParmProblems'],
  [128, 'Echos'],
  [129, 'EchoReplies'],
  [130, 'GroupMembQueries'],
  [131, 'GroupMembResponses'],
  [132, 'GroupMembReductions'],
  [133, 'RouterSolicits'],
  [134, 'RouterAdvertisements'],
  [135, 'NeighborSolicits'],
  [136, 'NeighborAdvertisements'],
  [137, 'Redirects'],
  [143, 'MLDv2Reports'],
];
/** UdpLite6's line has no IgnoredMulti. */
const SNMP6_UDPLITE6 = SNMP_UDP.filter((n) => n !== 'IgnoredMulti');

const NETSTAT_TCPEXT = [
  'SyncookiesSent',
  'SyncookiesRecv',
  'SyncookiesFailed',
  'EmbryonicRsts',
  'PruneCalled',
  'RcvPruned',
  'OfoPruned',
  'OutOfWindowIcmps',
  'LockDroppedIcmps',
  'ArpFilter',
  'TW',
  'TWRecycled',
  'TWKilled',
  'PAWSActive',
  'PAWSEstab',
  'DelayedACKs',
  'DelayedACKLocked',
  'DelayedACKLost',
  'ListenOverflows',
  'ListenDrops',
  'TCPHPHits',
  'TCPPureAcks',
  'TCPHPAcks',
  'TCPRenoRecovery',
  'TCPSackRecovery',
  'TCPSACKReneging',
  'TCPSACKReorder',
  'TCPRenoReorder',
  'TCPTSReorder',
  'TCPFullUndo',
  'TCPPartialUndo',
  'TCPDSACKUndo',
  'TCPLossUndo',
  'TCPLostRetransmit',
  'TCPRenoFailures',
  'TCPSackFailures',
  'TCPLossFailures',
  'TCPFastRetrans',
  'TCPSlowStartRetrans',
  'TCPTimeouts',
  'TCPLossProbes',
  'TCPLossProbeRecovery',
  'TCPRenoRecoveryFail',
  'TCPSackRecoveryFail',
  'TCPRcvCollapsed',
  'TCPBacklogCoalesce',
  'TCPDSACKOldSent',
  'TCPDSACKOfoSent',
  'TCPDSACKRecv',
  'TCPDSACKOfoRecv',
  'TCPAbortOnData',
  'TCPAbortOnClose',
  'TCPAbortOnMemory',
  'TCPAbortOnTimeout',
  'TCPAbortOnLinger',
  'TCPAbortFailed',
  'TCPMemoryPressures',
  'TCPMemoryPressuresChrono',
  'TCPSACKDiscard',
  'TCPDSACKIgnoredOld',
  'TCPDSACKIgnoredNoUndo',
  'TCPSpuriousRTOs',
  'TCPMD5NotFound',
  'TCPMD5Unexpected',
  'TCPMD5Failure',
  'TCPSackShifted',
  'TCPSackMerged',
  'TCPSackShiftFallback',
  'TCPBacklogDrop',
  'PFMemallocDrop',
  'TCPMinTTLDrop',
  'TCPDeferAcceptDrop',
  'IPReversePathFilter',
  'TCPTimeWaitOverflow',
  'TCPReqQFullDoCookies',
  'TCPReqQFullDrop',
  'TCPRetransFail',
  'TCPRcvCoalesce',
  'TCPOFOQueue',
  'TCPOFODrop',
  'TCPOFOMerge',
  'TCPChallengeACK',
  'TCPSYNChallenge',
  'TCPFastOpenActive',
  'TCPFastOpenActiveFail',
  'TCPFastOpenPassive',
  'TCPFastOpenPassiveFail',
  'TCPFastOpenListenOverflow',
  'TCPFastOpenCookieReqd',
  'TCPFastOpenBlackhole',
  'TCPSpuriousRtxHostQueues',
  'BusyPollRxPackets',
  'TCPAutoCorking',
  'TCPFromZeroWindowAdv',
  'TCPToZeroWindowAdv',
  'TCPWantZeroWindowAdv',
  'TCPSynRetrans',
  'TCPOrigDataSent',
  'TCPHystartTrainDetect',
  'TCPHystartTrainCwnd',
  'TCPHystartDelayDetect',
  'TCPHystartDelayCwnd',
  'TCPACKSkippedSynRecv',
  'TCPACKSkippedPAWS',
  'TCPACKSkippedSeq',
  'TCPACKSkippedFinWait2',
  'TCPACKSkippedTimeWait',
  'TCPACKSkippedChallenge',
  'TCPWinProbe',
  'TCPKeepAlive',
  'TCPMTUPFail',
  'TCPMTUPSuccess',
  'TCPDelivered',
  'TCPDeliveredCE',
  'TCPAckCompressed',
  'TCPZeroWindowDrop',
  'TCPRcvQDrop',
  'TCPWqueueTooBig',
  'TCPFastOpenPassiveAltKey',
  'TcpTimeoutRehash',
  'TcpDuplicateDataRehash',
  'TCPDSACKRecvSegs',
  'TCPDSACKIgnoredDubious',
  'TCPMigrateReqSuccess',
  'TCPMigrateReqFailure',
] as const;
export const TCPEXT = index(NETSTAT_TCPEXT);

const NETSTAT_MPTCPEXT: readonly string[] = Object.freeze(
  `MPCapableSYNRX MPCapableSYNTX MPCapableSYNACKRX MPCapableACKRX MPCapableFallbackACK MPCapableFallbackSYNACK MPCapableEndpAttempt MPFallbackTokenInit
  MPTCPRetrans MPJoinNoTokenFound MPJoinSynRx MPJoinSynBackupRx MPJoinSynAckRx MPJoinSynAckBackupRx MPJoinSynAckHMacFailure MPJoinAckRx MPJoinAckHMacFailure
  DSSNotMatching DSSCorruptionFallback DSSCorruptionReset InfiniteMapTx InfiniteMapRx DSSNoMatchTCP DataCsumErr OFOQueueTail OFOQueue OFOMerge NoDSSInWindow
  DuplicateData AddAddr EchoAdd PortAdd AddAddrDrop MPJoinPortSynRx MPJoinPortSynAckRx MPJoinPortAckRx MismatchPortSynRx MismatchPortAckRx RmAddr RmAddrDrop
  RmSubflow MPPrioTx MPPrioRx MPFailTx MPFailRx MPFastcloseTx MPFastcloseRx MPRstTx MPRstRx RcvPruned SubflowStale SubflowRecover SndWndShared RcvWndShared
  RcvWndConflictUpdate RcvWndConflict`.split(/\s+/),
);

/** Names and values of one protocol's line. */
export interface MibLine {
  readonly proto: string;
  readonly names: readonly string[];
  readonly values: readonly number[];
}

/** The counters of one namespace. Hot code: `mib.ip[IPSTATS.InReceives]++`. */
export class SnmpMib {
  readonly ip = new Float64Array(IP_ALL.length);
  readonly icmp = new Float64Array(SNMP_ICMP.length);
  /** Messages by type: received, sent. */
  readonly icmpIn = new Float64Array(256);
  readonly icmpOut = new Float64Array(256);
  readonly tcp = new Float64Array(SNMP_TCP.length);
  readonly tcpExt = new Float64Array(NETSTAT_TCPEXT.length);
  readonly udp = new Float64Array(SNMP_UDP.length);
  readonly ip6 = new Float64Array(IP_ALL.length);
  readonly icmp6 = new Float64Array(SNMP6_ICMP6.length);
  readonly icmp6In = new Float64Array(256);
  readonly icmp6Out = new Float64Array(256);
  readonly udp6 = new Float64Array(SNMP_UDP.length);
  /** IPReversePathFilter and ArpFilter of TcpExt. */
  rpFilter = 0;
  arpFilter = 0;

  /** The Icmp line: totals, and the types that it names. */
  icmpValues(): number[] {
    const out = Array.from(this.icmp);
    for (const [type, suffix] of ICMP_TYPES) {
      out[SNMP_ICMP.indexOf(`In${suffix}` as (typeof SNMP_ICMP)[number])] = this.icmpIn[type];
      out[SNMP_ICMP.indexOf(`Out${suffix}` as (typeof SNMP_ICMP)[number])] = this.icmpOut[type];
    }
    return out;
  }

  /** /proc/net/snmp, line pairs in order. IcmpMsg is absent when nothing was counted. */
  snmpLines(forwarding: boolean, defaultTtl: number): MibLine[] {
    const ip = (SNMP_IP as readonly string[]).map((_, i) => this.ip[i]);
    const seen = (a: Float64Array, prefix: string): [string, number][] =>
      Array.from(a).flatMap((v, t): [string, number][] => (v > 0 ? [[`${prefix}${t}`, v]] : []));
    const msgs = [...seen(this.icmpIn, 'InType'), ...seen(this.icmpOut, 'OutType')];
    const lines: MibLine[] = [
      { proto: 'Ip', names: ['Forwarding', 'DefaultTTL', ...SNMP_IP], values: [forwarding ? 1 : 2, defaultTtl, ...ip] },
      { proto: 'Icmp', names: SNMP_ICMP, values: this.icmpValues() },
    ];
    if (msgs.length > 0) lines.push({ proto: 'IcmpMsg', names: msgs.map(([n]) => n), values: msgs.map(([, v]) => v) });
    const tcp = Array.from(this.tcp);
    tcp.splice(0, 4, 1, 200, 120000, -1);
    lines.push({ proto: 'Tcp', names: SNMP_TCP, values: tcp });
    lines.push({ proto: 'Udp', names: SNMP_UDP, values: Array.from(this.udp) });
    lines.push({ proto: 'UdpLite', names: SNMP_UDP, values: SNMP_UDP.map(() => 0) });
    return lines;
  }

  /** /proc/net/netstat, line pairs in order. */
  netstatLines(): MibLine[] {
    const tcpExt = Array.from(this.tcpExt);
    tcpExt[TCPEXT.IPReversePathFilter] = this.rpFilter;
    tcpExt[TCPEXT.ArpFilter] = this.arpFilter;
    return [
      { proto: 'TcpExt', names: NETSTAT_TCPEXT, values: tcpExt },
      { proto: 'IpExt', names: NETSTAT_IPEXT, values: NETSTAT_IPEXT.map((n) => this.ip[IPSTATS[n]]) },
      { proto: 'MPTcpExt', names: NETSTAT_MPTCPEXT, values: NETSTAT_MPTCPEXT.map(() => 0) },
    ];
  }

  /** /proc/net/snmp6: [name, value] in order. */
  snmp6(): [string, number][] {
    const out: [string, number][] = SNMP6_IP6.map((n) => [`Ip6${n}`, this.ip6[IPSTATS[n]]]);
    SNMP6_ICMP6.forEach((n, i) => out.push([`Icmp6${n}`, this.icmp6[i]]));
    for (const [type, suffix] of ICMP6_TYPES) out.push([`Icmp6In${suffix}`, this.icmp6In[type]]);
    for (const [type, suffix] of ICMP6_TYPES) out.push([`Icmp6Out${suffix}`, this.icmp6Out[type]]);
    for (let t = 0; t < 256; t++) if (this.icmp6In[t] > 0) out.push([`Icmp6InType${t}`, this.icmp6In[t]]);
    for (let t = 0; t < 256; t++) if (this.icmp6Out[t] > 0) out.push([`Icmp6OutType${t}`, this.icmp6Out[t]]);
    SNMP_UDP.forEach((n, i) => out.push([`Udp6${n}`, this.udp6[i]]));
    for (const n of SNMP6_UDPLITE6) out.push([`UdpLite6${n}`, 0]);
    return out;
  }
}
