// What a NIC and a cable end have in common: a place where frames go in and out.

/** A frame on the wire: bytes without FCS. Immutable once sent; `id` and `parent` carry the packet's lineage. */
export interface Frame {
  readonly bytes: Uint8Array;
  readonly id: number;
  /** skb id it was read from, 0 when unknown. */
  readonly skb: number;
  /** Work that the sender left to the receiver; only on a virtual wire. */
  readonly offload?: FrameOffload;
}

/** What is still to be done with a packet that a virtual wire carries as the sender made it: numbers as in a virtio_net_hdr. */
export interface FrameOffload {
  /** A checksum field holds the pseudo-header's sum only. */
  readonly needsCsum: boolean;
  readonly csumStart: number;
  readonly csumOffset: number;
  /** 0: nothing to be cut. */
  readonly gsoType: number;
  readonly gsoSize: number;
  readonly hdrLen: number;
}

/** The NIC side of a connection. */
export interface PortOwner {
  /** 'h1:nic0' */
  readonly portName: string;
  /** The last bit of a frame has arrived. */
  receiveFrame(frame: Frame): void;
  /** The cable was plugged, pulled, or changed state. */
  linkChanged(up: boolean): void;
}

/** A NIC that a cable can be plugged into. */
export interface NicPort extends PortOwner {
  /** The wire it sends to from now on; undefined when the cable is pulled. `linkChanged` follows. */
  plug(wire: Wire | undefined): void;
  /** It takes a packet with such work left over; absent: only finished frames. */
  takesOffload?(offload: FrameOffload): boolean;
}

/** The wire side: what a NIC holds when a cable is plugged in. */
export interface Wire {
  readonly up: boolean;
  /** A virtual wire: it carries packets with work left over. */
  readonly vnet: boolean;
  /** The other end takes a packet with such work left over, and the wire carries it. */
  carries(from: PortOwner, offload: FrameOffload): boolean;
  /** Starts transmitting now; returns the instant at which the sender's side is free again. */
  transmit(from: PortOwner, frame: Frame): number;
}
