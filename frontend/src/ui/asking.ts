/** What components need around a call: waiting, its answer, its refusal. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Refusal } from "../api";

export interface Action {
  busy: boolean;
  refusal: Refusal | null;
  /** Seconds until another try makes sense. */
  wait: number;
  /** Run a call, unless one is under way; returns whether it went well. */
  run: (work: () => Promise<unknown>) => Promise<boolean>;
  clear: () => void;
}

/** Something that a person does: a call, and what came of it. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const running = useRef(false);
  const wait = useCountdown(refusal);
  const run = async (work: () => Promise<unknown>): Promise<boolean> => {
    if (running.current) return false;
    running.current = true;
    setBusy(true);
    setRefusal(null);
    try {
      await work();
      return true;
    } catch (error) {
      setRefusal(asRefusal(error));
      return false;
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return { busy, refusal, wait, run, clear: () => setRefusal(null) };
}

export interface Answer<T> {
  value: T | null;
  problem: string | null;
  /** Ask again; the old answer stays until the new one is there. */
  reload: () => Promise<void>;
}

/** Something that is shown: asked for once, when the component appears. */
export function useAnswer<T>(ask: () => Promise<T>): Answer<T> {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const reload = async (): Promise<void> => {
    try {
      setValue(await ask());
      setProblem(null);
    } catch (error) {
      setProblem(asRefusal(error).message);
    }
  };
  useEffect(() => void reload(), []);
  return { value, problem, reload };
}

function asRefusal(error: unknown): Refusal {
  return error instanceof Refusal ? error : new Refusal(0, "page_error", String(error));
}

function useCountdown(refusal: Refusal | null): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    const end = Date.now() + (refusal?.retryAfter ?? 0) * 1000;
    const tick = (): void => {
      const seconds = Math.max(0, Math.ceil((end - Date.now()) / 1000));
      setLeft(seconds);
      if (seconds === 0) clearInterval(timer);
    };
    const timer = setInterval(tick, 250);
    tick();
    return () => clearInterval(timer);
  }, [refusal]);
  return left;
}
