from common.training.trainer import StepTrainer


def test_calls_the_step_once_per_batch_and_keeps_its_output():
    seen = []
    trainer = StepTrainer("cpu", 2, [1, 2, 3], step=lambda engine, batch: seen.append(batch) or {"loss": batch})
    trainer.run()
    assert seen == [1, 2, 3, 1, 2, 3]
    assert trainer.state.output == [{"loss": 3}]
