"""One training under way: calls of many steps, and what happens between them."""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from toolkit.data.examples import Examples
from toolkit.errors import StoppedError, ToolkitError, TrainingError
from toolkit.recipe import TrainOptions
from toolkit.tasks.base import Decision, Task
from toolkit.training.distribution import Distribution
from toolkit.training.engine import Engine, Taken
from toolkit.training.optimizers import UpdateRule, make_optimizer
from toolkit.training.pace import Pace
from toolkit.training.progress import Progress
from toolkit.training.run_directory import RunDirectory
from toolkit.training.saving import Saver
from toolkit.training.schedules import make_course, rates
from toolkit.training.settings import Settings
from toolkit.training.signals import StopRequest
from toolkit.training.state import TrainingState, answering_weights, mean_weights, set_weights
from toolkit.training.trials import choose_xla, find_learning_rate
from toolkit.training.validation import Validator, pick
from toolkit.training.watch import make_watches

FIRST_LOSS_SCALE = 2.0**15
TRIAL_STEP = 20  # when the time of a step is known, and with it whether XLA could pay


class Session:
    """A training from where it stands to its end.

    Args:
        task: what to learn.
        model: the model, in the strategy's scope; it is kept.
        learner: what is trained, the model or a part of it that takes the examples.
        train_examples: what to learn from.
        validation_examples: what to score, or None.
        options: the recipe's ``train`` section.
        settings: the same with every ``auto`` settled.
        run: where to write.
        distribution: the replicas.
        progress: what the user sees.
    """

    def __init__(
        self,
        task: Task[Any],
        model: keras.Model,
        learner: keras.Model,
        train_examples: Examples,
        validation_examples: Examples | None,
        options: TrainOptions,
        settings: Settings,
        run: RunDirectory,
        distribution: Distribution,
        progress: Progress,
    ) -> None:
        self.task = task
        self.model = model
        self.options = options
        self.settings = settings
        self.run = run
        self.distribution = distribution
        self.progress = progress
        self.rows = len(train_examples)
        self.rule = make_rule(model, options, distribution)
        self.late = task.late_stage(model)
        self.late_step = 0  # from which all weights are trained
        if self.late is not None:
            self.late_step = self.late.epochs * settings.plan.steps_per_epoch
            self.rule.hold_back(self.late.weights, self.late_step, self.late.rate)
        self.state = TrainingState(*make_watches(task.monitor, options, settings.schedule))
        self.saver = Saver(
            run, options, model, self.rule, self.state, distribution, settings.plan.steps_per_epoch
        )
        self.engine = Engine(
            task, learner, self.rule, train_examples, settings.plan, distribution,
            on_smaller=self._note_smaller,
        )  # fmt: skip
        size = 2 * len(settings.plan.batch(0).rows)
        self.validator = Validator(
            task, learner, self.rule, validation_examples, distribution, size
        )
        self.pace = Pace(
            None if options.steps_per_execution == "auto" else options.steps_per_execution
        )
        self.course = make_course(settings.schedule, settings.total_steps)
        self.writer = tf.summary.create_file_writer(str(run.logs)) if run.writes else None
        self.chosen_step = 0
        self.chosen_score: float | None = None
        self._round_began = (0, time.monotonic())

    def run_to_end(self) -> None:
        """Train, choose the best weights and write ``model.keras``.

        Raises:
            StoppedError: on SIGTERM or Ctrl-C, after saving.
            TrainingError: the loss is no longer a number.
        """
        self.run.note(decisions=_plain(self.settings.decisions))
        self.run.set_status("running")
        try:
            if self.run.resuming:
                self._resume()
            self._prepare()
            self._judge_start()
            with StopRequest() as stop:
                self._loop(stop)
            self._choose()
            self.run.save_model(self.model)
        except StoppedError:
            self.run.set_status("stopped")
            raise
        except ToolkitError:
            self.run.set_status("failed")
            raise
        self.run.note(training={"steps": self.state.step, "seconds": self.state.seconds})
        self.run.set_status("trained")

    def _resume(self) -> None:
        self.saver.restore(self.progress.say)
        self.run.rewrite_metrics(self.state.history)
        self.progress.say(f"Going on from step {self.state.step}.")

    def _prepare(self) -> None:
        """Settle what only trials can tell, once in a run's life."""
        settled = self.state.settled
        wanted = self.options.accumulation
        self.engine.micro_batches = max(
            1 if wanted == "auto" else wanted, settled.get("micro_batches", 1)
        )
        if "learning_rate" not in settled:
            settled["learning_rate"] = self._learning_rate()
        if self.options.compile != "auto":
            settled["xla"] = self.options.compile == "xla"
        self.engine.reset(xla=settled.get("xla", False))
        self.rule.holding = self.state.step < self.late_step

    def _judge_start(self) -> None:
        """Let what is learnt compete with the start, where that answers well already."""
        best = self.state.best
        if self.state.step or best.best_step is not None or not self.task.starts_trained:
            return
        scores = self.validator.scores(lambda done, total: self.progress.validating(0, done, total))
        if not scores:
            return
        best.see(pick(scores, best.name), 0)
        self.saver.save()
        self.progress.say(f"start: validation_{best.name} {best.best:.4g}")

    def _learning_rate(self) -> float:
        if self.settings.learning_rate is not None:
            return self.settings.learning_rate
        decision = find_learning_rate(self.engine)
        self._decide("learning_rate", decision)
        return float(decision.value)

    def _settle_xla(self) -> None:
        """Choose between XLA and not, once the time of a step is known."""
        steps = self.settings.total_steps - self.state.step
        decision = choose_xla(self.engine, steps, self.pace.seconds_per_step)
        self._decide("compile", Decision("xla" if decision.value else "none", decision.reason))
        self.state.settled["xla"] = decision.value
        self.engine.xla = decision.value

    def _loop(self, stop: StopRequest) -> None:
        self._round_began = (self.state.step, time.monotonic())
        while not self._done():
            if self.rule.holding and self.state.step >= self.late_step:
                self.rule.holding = False
                self.engine.reset()  # other gradients are needed from now on
                self.progress.say(f"All weights are trained from step {self.state.step} on.")
            if "xla" not in self.state.settled and self.state.step >= TRIAL_STEP:
                self._settle_xla()
            began = time.monotonic()
            taken = self._call(stop)
            self._check_numbers(taken)
            self.state.advance(taken.steps, taken.losses)
            stopping, overdue = taken.signals[:2] > 0
            self._between(bool(overdue))
            self.state.seconds += time.monotonic() - began
            if stopping and not self._done():
                self._stop(stop)

    def _done(self) -> bool:
        early = self.options.early_stopping
        waited = early is not None and self.state.stopping.waited >= max(1, early.patience)
        return waited or self.state.step >= self.settings.total_steps

    def _call(self, stop: StopRequest) -> Taken:
        """Take steps up to the next thing to do; all workers must see the same signals."""
        count = self.pace.count(self._room())
        peak = self.state.settled["learning_rate"] * self.state.rate_factor
        learning_rates = rates(self.course, peak, self.state.step, count)
        signals = [stop.signal is not None, self.saver.overdue(), self.pace.seconds_per_step]
        began = time.monotonic()
        taken = self.engine.take(self.state.step, learning_rates, np.array(signals, np.float32))
        self.pace.measured(len(taken.losses), time.monotonic() - began)
        self.pace.agree(float(taken.signals[2]) / self.distribution.num_workers)
        return taken

    def _room(self) -> int:
        """Return the steps until something must happen between steps."""
        step = self.state.step
        rooms = [
            self.settings.total_steps - step,
            self.settings.round_steps - step % self.settings.round_steps,
            self.saver.room(step),
            TRIAL_STEP - step,
            self.late_step - step,
        ]
        return min(room for room in rooms if room is not None and room > 0)

    def _between(self, overdue: bool) -> None:
        step = self.state.step
        improved = False
        if self._at_round_end():
            improved = self._finish_round()
        else:
            self._show()
        if improved or overdue or self.saver.due(step) or self._done():
            self.saver.save()

    def _at_round_end(self) -> bool:
        step = self.state.step
        return step % self.settings.round_steps == 0 or step == self.settings.total_steps

    def _check_numbers(self, taken: Taken) -> None:
        bad = np.flatnonzero(~np.isfinite(taken.losses))
        if not len(bad) or self._scale_still_falls():
            return
        step = self.state.step + int(bad[0]) + 1
        saved = self.saver.newest_steps(1)
        kept = f"the checkpoint of step {saved[0]} stays" if saved else "there is no checkpoint yet"
        epoch = (step - 1) // self.settings.plan.steps_per_epoch + 1
        raise TrainingError(
            f"train: the loss is no longer a number at step {step} (epoch {epoch}); {kept}. "
            "Try a smaller learning_rate or clip_norm. "
            f"Received: loss={taken.losses[bad[0]]}."
        )

    def _scale_still_falls(self) -> bool:
        """Whether an overflow of float16 is the loss scale's to cure."""
        return bool(self.rule.scale_state) and float(self.rule.scale_state[0].numpy()) >= 1.0

    def _finish_round(self) -> bool:
        """Validate, record, and return whether these are the best weights so far."""
        number = (self.state.step - 1) // self.settings.round_steps
        record = self._record()
        scores = self.validator.scores(
            lambda done, total: self.progress.validating(number, done, total)
        )
        record.update({f"validation_{name}": value for name, value in scores.items()})
        improved = self._watch(scores)
        self.state.history.append(record)
        self.run.append_metrics(record)
        self._log(record)
        self.progress.finish(number, record, " (best so far)" if improved and scores else "")
        self._round_began = (self.state.step, time.monotonic())
        return improved

    def _record(self) -> dict[str, Any]:
        step = self.state.step
        first, began = self._round_began
        seconds = time.monotonic() - began
        peak = self.state.settled["learning_rate"] * self.state.rate_factor
        return {
            "epoch": step / self.settings.plan.steps_per_epoch,
            "step": step,
            "loss": self.state.end_round(),
            "learning_rate": peak * self.course(step - 1),
            "examples_per_second": self._speed(step - first, seconds),
            "seconds": seconds,
        }

    def _speed(self, steps: int, seconds: float) -> float:
        per_step = self.rows / self.settings.plan.steps_per_epoch
        return steps * per_step / max(seconds, 1e-9)

    def _watch(self, scores: dict[str, float]) -> bool:
        if not scores:
            self.state.best.best_step = self.state.step
            return True
        state, step = self.state, self.state.step
        state.stopping.see(pick(scores, state.stopping.name), step)
        schedule = self.settings.schedule
        if schedule.type == "plateau":
            state.plateau.see(pick(scores, state.plateau.name), step)
            if state.plateau.waited >= schedule.patience:
                state.rate_factor = max(state.rate_factor * schedule.factor, schedule.final)
                state.plateau.waited = 0
        return state.best.see(pick(scores, state.best.name), step)

    def _log(self, record: dict[str, Any]) -> None:
        if self.writer is None:
            return
        with self.writer.as_default():
            for name, value in record.items():
                if name != "step":
                    tf.summary.scalar(name, value, step=self.state.step)
        self.writer.flush()

    def _show(self) -> None:
        first, began = self._round_began
        step, seconds = self.state.step, time.monotonic() - began
        number, done = divmod(step, self.settings.round_steps)
        # the first call also traces, so that it says nothing of those to come
        per_step = self.pace.average
        left = (self.settings.total_steps - step) * per_step if per_step else None
        self.progress.step(
            number,
            done,
            self.settings.round_steps,
            loss=self.state.loss_sum / max(1, self.state.loss_count),
            speed=self._speed(step - first, seconds),
            left=left,
        )

    def _stop(self, stop: StopRequest) -> None:
        self.saver.save()
        name = "another worker's signal" if stop.signal is None else stop.signal.name
        raise StoppedError(
            f"Stopped by {name} after saving step {self.state.step} of "
            f"{self.settings.total_steps}. The same command with --resume goes on."
        )

    def _note_smaller(self, count: int) -> None:
        self.state.settled["micro_batches"] = count
        reason = f"memory ran out at step {self.rule.steps}"
        self._decide("accumulation", Decision(count, reason))
        self.progress.say(f"Out of memory: going on with {count} micro-batches per step.")

    def _choose(self) -> None:
        """Put the best or the last weights, or an average of the last, into the model."""
        best = self.state.best
        step, score = best.best_step, best.best
        if step is None or self.options.choose == "last":
            step, score = self.state.step, self.state.history[-1].get(f"validation_{best.name}")
        weights = answering_weights(self.model, self.rule, self.saver.load(step))
        self.chosen_step, self.chosen_score = step, score
        saved = self.saver.newest_steps(self.options.average_checkpoints)
        last = [number for number in saved if number]  # nothing is learnt at the start
        if len(last) > 1:
            weights = self._better_average(weights, last)
        if self.chosen_step == 0:
            reason = f"validation {best.name} {score:.4g}: no epoch's is better"
            self._decide("choose", Decision("start", reason))
        set_weights(self.model, weights)

    def _better_average(self, weights: Any, last: list[int]) -> Any:
        parts = [answering_weights(self.model, self.rule, self.saver.load(n)) for n in last]
        mean = mean_weights(parts)
        set_weights(self.model, mean)
        scores = self.validator.scores(averaged=False)
        best = self.state.best
        score = pick(scores, best.name) if scores else None
        if score is not None and not best.improves(score):
            reason = f"{best.name} of the average is {score:.4g}, of the best step {best.best:.4g}"
            self._decide("average_checkpoints", Decision(1, reason))
            return weights
        self.chosen_step, self.chosen_score = last[-1], score
        reason = f"the mean of steps {', '.join(map(str, last))}"
        if score is not None:
            reason += f": {best.name} {score:.4g}, before {best.best}"
        self._decide("average_checkpoints", Decision(len(last), reason))
        return mean

    def _decide(self, name: str, decision: Decision) -> None:
        self.settings.decisions[f"train.{name}"] = decision
        self.run.note(decisions=_plain({f"train.{name}": decision}))


def make_rule(model: keras.Model, options: TrainOptions, distribution: Distribution) -> UpdateRule:
    """Build the optimizer and all it keeps, in the strategy's scope."""
    with distribution.scope():
        return UpdateRule(
            make_optimizer(options.optimizer),
            model.trainable_variables,
            weight_decay=getattr(options.optimizer, "weight_decay", 0.0),
            clip_norm=options.clip_norm,
            ema=options.ema,
            loss_scale=FIRST_LOSS_SCALE if options.precision == "mixed_float16" else None,
        )


def _plain(decisions: dict[str, Decision]) -> dict[str, Any]:
    return {name: decision.as_dict() for name, decision in decisions.items()}
