// Electron's security checklist: no permissions, no navigation, no new windows, no webviews.
import { session, shell, type App, type WebContents } from 'electron';

/** Before the app is ready. */
export function hardenApp(app: App): void {
  app.enableSandbox();
  app.on('web-contents-created', (_event, contents) => {
    contents.on('will-attach-webview', (e) => e.preventDefault());
  });
}

/** Pages get no permission but writing to the clipboard on a person's gesture. */
export function hardenSession(): void {
  const allowed = (permission: string): boolean => permission === 'clipboard-sanitized-write';
  session.defaultSession.setPermissionRequestHandler((_contents, permission, answer) => answer(allowed(permission)));
  session.defaultSession.setPermissionCheckHandler((_contents, permission) => allowed(permission));
}

/** The window shows our page and no other; a web address that a person clicks (in a terminal's output) opens in their browser. */
export function lockNavigation(contents: WebContents): void {
  contents.on('will-navigate', (e) => e.preventDefault());
  contents.setWindowOpenHandler(({ url }) => {
    if (/^https?:\/\//.test(url)) void shell.openExternal(url);
    return { action: 'deny' };
  });
}
