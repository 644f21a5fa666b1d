// Lets style={{ '--name': value }} set custom properties.
import 'react';

declare module 'react' {
  interface CSSProperties {
    [custom: `--${string}`]: string | number | undefined;
  }
}
