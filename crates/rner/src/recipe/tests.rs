//! Resolution of profiles and overrides, and what each mistake is answered with.

use super::profiles::PROFILES;
use super::*;

fn tiny(sets: &[&str]) -> Result<Recipe, RecipeError> {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    Recipe::resolve("tiny", &sets)
}

fn refused(set: &str) -> String {
    tiny(&[set])
        .map(|_| String::new())
        .unwrap_or_else(|e| e.to_string())
}

#[test]
fn every_embedded_profile_resolves() -> Result<(), RecipeError> {
    for (name, _) in PROFILES {
        assert_eq!(Recipe::resolve(name, &[])?.run.name, name);
    }
    Ok(())
}

#[test]
fn the_paper_profiles_hold_the_papers_batch() -> Result<(), RecipeError> {
    for name in ["paper-8b", "qwen3-1.7b", "qwen3-0.6b-lora"] {
        let r = Recipe::resolve(name, &[])?;
        let (sft, grpo) = (&r.sft.train, &r.grpo.train);
        let batch = sft
            .batch_size
            .map(|n| n * sft.grad_accumulation * r.hardware.gpus);
        assert_eq!(batch, Some(256), "{name}");
        assert_eq!((grpo.group_size, grpo.iterations), (16, 4), "{name}");
        assert_eq!((grpo.prompts_per_step, grpo.max_steps), (28, None));
    }
    Ok(())
}

/// Profiles state only where they differ; what they resolve to is what it was when each was written whole.
#[test]
fn the_values_of_the_profiles_are_those_that_were_written_whole() -> Result<(), RecipeError> {
    let values = |name: &str| {
        Recipe::resolve(name, &[]).map(|r| {
            let (sft, grpo) = (r.sft.train, r.grpo.train);
            let steps = (sft.max_steps.unwrap_or(0), grpo.max_steps.unwrap_or(0));
            let rates = (sft.optim.lr, grpo.optim.lr);
            let sizes = (
                sft.batch_size,
                r.grpo.rollout_batch,
                grpo.micro_batch_tokens,
            );
            let frozen = sft.optim.freeze_embeddings && grpo.optim.freeze_embeddings;
            (steps, rates, sizes, frozen, r.eval.bootstrap_resamples)
        })
    };
    let (paper, toy) = ((2e-5, 1e-6), (3e-3, 3e-4));
    let expected = [
        (
            "paper-8b",
            (0, 0),
            paper,
            (Some(16), 32, 32768),
            false,
            1000,
        ),
        (
            "qwen3-1.7b",
            (0, 0),
            paper,
            (Some(32), 48, 65536),
            false,
            1000,
        ),
        (
            "qwen3-0.6b-lora",
            (0, 0),
            (2e-4, 1e-5),
            (Some(32), 16, 32768),
            false,
            1000,
        ),
        ("tiny", (0, 20), toy, (Some(16), 128, 4096), true, 1000),
        (
            "smoke",
            (4, 1),
            (1e-3, 2e-5),
            (Some(16), 64, 4096),
            true,
            200,
        ),
    ];
    for (name, steps, rates, sizes, frozen, resamples) in expected {
        let found = values(name)?;
        assert_eq!(found, (steps, rates, sizes, frozen, resamples), "{name}");
    }
    Ok(())
}

/// What a trainer has by default is the paper's, too.
#[test]
fn the_base_recipe_agrees_with_the_defaults_of_the_trainers() -> Result<(), RecipeError> {
    let paper = Recipe::resolve("paper-8b", &[])?;
    assert_eq!(paper.sft.train.optim, lm_train::OptimConfig::default());
    assert_eq!(paper.grpo.train.optim, lm_grpo::GrpoConfig::default().optim);
    Ok(())
}

#[test]
fn overrides_take_toml_values_and_bare_strings() -> Result<(), RecipeError> {
    let r = tiny(&[
        "sft.train.optim.lr=1",
        "sft.train.optim.betas=[0.5, 0.25]",
        "grpo.train.optim.betas.1=0.5",
        "run.name=my run",
        "model.base = \"a b\"",
        "grpo.train.loss_type=bnpo",
        "plan.teacher_tokens_out=[1, 2, 3]",
        "run.name=7",
    ])?;
    assert_eq!(r.sft.train.optim.lr, 1.0);
    assert_eq!(r.sft.train.optim.betas, [0.5, 0.25]);
    assert_eq!(r.grpo.train.optim.betas, [0.9, 0.5]);
    assert_eq!(r.run.name, "7");
    assert_eq!(r.model.base, "a b");
    assert_eq!(r.grpo.train.loss_type, lm_grpo::LossType::Bnpo);
    assert_eq!(r.plan.teacher_tokens_out, [1, 2, 3]);
    assert!(r.notes.is_empty());
    Ok(())
}

#[test]
fn the_objective_of_grpo_is_chosen_by_name() -> Result<(), RecipeError> {
    let paper = Recipe::resolve("paper-8b", &[])?.grpo.train;
    assert_eq!(paper.scale_rewards, lm_grpo::ScaleRewards::Group);
    assert_eq!(paper.engine_correction, lm_grpo::EngineCorrection::None);
    assert_eq!((paper.delta, paper.dynamic_sampling), (None, None));
    let grpo = tiny(&[
        "grpo.train.loss_type=dapo",
        "grpo.train.importance_sampling_level=sequence",
        "grpo.train.kl_estimator=k2",
        "grpo.train.engine_correction=truncate",
        "grpo.train.delta=4",
        "grpo.train.entropy_coef=0.01",
    ])?
    .grpo
    .train;
    assert_eq!(grpo.loss_type, lm_grpo::LossType::Dapo);
    assert_eq!(
        grpo.importance_sampling_level,
        lm_grpo::ImportanceSamplingLevel::Sequence
    );
    assert_eq!(grpo.kl_estimator, lm_grpo::KlEstimator::K2);
    assert_eq!(grpo.engine_correction, lm_grpo::EngineCorrection::Truncate);
    assert_eq!((grpo.delta, grpo.entropy_coef), (Some(4.0), 0.01));
    assert!(refused("grpo.train.entropy_coef=-1").contains("grpo.train.entropy_coef"));
    assert!(refused("grpo.train.loss_type=dopo").contains("dapo"));
    Ok(())
}

#[test]
fn an_unknown_key_names_its_neighbours() {
    assert!(refused("sft.train.learning_rat=1").contains("no such key"));
    assert!(refused("sft.warmup_rate=0.1").contains("sft.train.optim.warmup_ratio"));
    assert!(refused("sft.lrr=1").contains("sft.train.optim.lr"));
    let both = ["sft.train.optim.lr", "grpo.train.optim.lr"];
    assert!(both.iter().all(|key| refused("lr=0.1").contains(key)));
    assert!(refused("sft=1").contains("no such key"));
    assert!(refused("sft.train.optim=1").contains("no such key"));
    assert!(refused("sft.train.optim.betas.2=1").contains("no such key"));
    assert!(refused("sft.group_size=1").contains("no such key"));
    assert!(refused("sft.lr").contains("expected section.key=value"));
}

#[test]
fn a_wrong_type_names_key_expected_and_found() {
    assert_eq!(
        refused("sft.train.batch_size=many"),
        "--set sft.train.batch_size: expected an integer, found the string \"many\""
    );
    assert_eq!(
        refused("sft.train.batch_size=1.5"),
        "--set sft.train.batch_size: expected an integer, found a number 1.5"
    );
    assert!(refused("sft.train.save_every=-1").starts_with("--set sft.train.save_every = -1: "));
    let variant = refused("run.backend=tpu");
    assert!(
        variant.starts_with("--set run.backend = tpu: unknown variant")
            && variant.contains("libtorch"),
        "{variant}"
    );
    let smuggled = refused("sft.train.optim.lr=1\nfoo=2");
    assert!(smuggled.contains("expected a number"));
}

#[test]
fn a_value_without_sense_is_refused() {
    assert_eq!(
        refused("run.seeds=0"),
        "run.seeds: expected at least 1, found 0"
    );
    assert_eq!(
        refused("sft.train.optim.warmup_ratio=2"),
        "sft.train.optim.warmup_ratio: expected a number from 0 to 1, found 2"
    );
    for (set, expected) in [
        ("sft.train.optim.lr=nan", "finite"),
        ("grpo.train.optim.lr=inf", "finite"),
        (
            "grpo.train.optim.betas=[1.0, 0.9]",
            "grpo.train.optim.betas: expected two numbers",
        ),
        ("grpo.train.group_size=1", "at least 2"),
        (
            "grpo.reward.format=-1",
            "grpo.reward.format: expected a number of at least 0",
        ),
        (
            "grpo.reward.length_max=9",
            "more than grpo.reward.length_free",
        ),
        (
            "grpo.train.delta=1.1",
            "grpo.train.delta: expected more than 1 + epsilon_high",
        ),
        ("grpo.train.engine_correction_cap=0", "positive"),
        (
            "grpo.train.eval_every=5",
            "above 0 with grpo.train.eval_every",
        ),
        (
            "grpo.train.load_best=true",
            "grpo.train.load_best: expected eval_every to be set",
        ),
        (
            "sft.train.load_best=true",
            "sft.train.load_best: expected eval_every to be set",
        ),
        ("grpo.reward_lenght=1", "did you mean grpo.reward.length"),
    ] {
        let said = refused(set);
        assert!(said.contains(expected), "{set}: {said}");
    }
}

#[test]
fn what_the_run_derives_is_refused_with_the_key_that_decides_it() {
    for (set, decides) in [
        ("sft.train.seed=1", "run.seed"),
        ("grpo.train.seed=1", "run.seed"),
        ("sft.train.peak_flops=1", "hardware.peak_tflops"),
        ("sft.train.optim.master_weights=false", "model.dtype"),
        ("grpo.train.optim.master_weights=false", "model.dtype"),
        ("sft.train.layout=padded", "always packed"),
    ] {
        let said = refused(set);
        assert!(
            said.starts_with("--set") && said.contains(decides),
            "{said}"
        );
    }
}

#[test]
fn old_names_work_and_are_noted() -> Result<(), RecipeError> {
    let old = tiny(&[
        "sft.lr=0.5",
        "sft.beta2=0.95",
        "sft.max_steps=3",
        "sft.layout=packed",
        "sft.over_length=keep-last",
        "grpo.beta1=0.8",
        "grpo.steps=2",
        "grpo.mask_truncated=true",
        "grpo.reward_length=1",
    ])?;
    let new = tiny(&[
        "sft.train.optim.lr=0.5",
        "sft.train.optim.betas=[0.9, 0.95]",
        "sft.train.max_steps=3",
        "sft.train.over_length=keep_last",
        "grpo.train.optim.betas=[0.8, 0.999]",
        "grpo.train.max_steps=2",
        "grpo.train.mask_truncated=true",
        "grpo.reward.length=1",
    ])?;
    assert_eq!(old.to_toml(), new.to_toml());
    assert_eq!(old.notes.len(), 9);
    assert_eq!(old.notes[0], "sft.lr is called sft.train.optim.lr now");
    assert!(refused("sft.layout=padded").contains("sft.layout: expected packed"));
    Ok(())
}

fn file(text: &str) -> Result<Recipe, RecipeError> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("r.toml");
    std::fs::write(&path, text).expect("a file");
    Recipe::resolve(&path.display().to_string(), &[])
}

#[test]
fn a_file_states_where_it_differs() -> Result<(), RecipeError> {
    let of_paper = file("[grpo.train]\nbeta = 0\n[sft]\nlr = 1")?;
    // It is a run of its own, named after the file.
    let sets = [
        "run.name=r".to_owned(),
        "grpo.train.beta=0".into(),
        "sft.train.optim.lr=1".into(),
    ];
    let expected = Recipe::resolve("paper-8b", &sets)?;
    assert_eq!(of_paper.to_toml(), expected.to_toml());
    assert_eq!(of_paper.notes, ["sft.lr is called sft.train.optim.lr now"]);
    let of_tiny = file("extends = \"tiny\"\nrun.seed = 7")?;
    assert_eq!(of_tiny, tiny(&["run.seed=7", "run.name=r"])?);
    Ok(())
}

#[test]
fn a_file_extends_another_beside_it_but_not_itself() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).map(|()| path.display().to_string())
    };
    write("a.toml", "extends = \"smoke\"\nrun.name = \"a\"")?;
    let b = write("b.toml", "extends = \"a.toml\"\nrun.seed = 3")?;
    let found = Recipe::resolve(&b, &[])?;
    // The name of the run is not inherited, but taken from the file.
    assert_eq!((found.run.name.as_str(), found.run.seed), ("b", 3));
    assert_eq!(found.sft.train.max_steps, Some(4));
    let round = write("round.toml", "extends = \"round.toml\"")?;
    let said = Recipe::resolve(&round, &[]).unwrap_err().to_string();
    assert!(said.contains("in a circle"), "{said}");
    Ok(())
}

#[test]
fn an_unknown_profile_lists_the_known_ones() {
    let message = Recipe::resolve("papr-8b", &[])
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(message.contains("qwen3-1.7b") && message.contains("did you mean paper-8b"));
    let message = Recipe::resolve("no/such.toml", &[])
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("cannot read the recipe no/such.toml"),
        "{message}"
    );
}

#[test]
fn a_bad_key_or_value_in_a_file_is_named() {
    for (text, expected) in [
        ("[eval]\nbeams = 4", "eval.beams: there is no such key"),
        (
            "[sft.train.optim]\nlrr = 4",
            "did you mean sft.train.optim.lr",
        ),
        (
            "[sft.train]\nseed = 4",
            "sft.train.seed: recipes do not set it; run.seed decides it",
        ),
        (
            "[grpo.train]\nbeta = nan",
            "grpo.train.beta: expected a finite number",
        ),
        (
            "[sft.train]\nover_length = \"cut\"",
            "unknown variant `cut`",
        ),
        ("extends = 3", "extends: expected a profile or a path"),
    ] {
        let said = file(text).map(drop).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn the_written_recipe_resolves_to_itself() -> Result<(), Box<dyn std::error::Error>> {
    let recipe = tiny(&["run.seed=7"])?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("recipe.toml");
    std::fs::write(&path, recipe.to_toml())?;
    let again = Recipe::resolve(&path.display().to_string(), &[])?;
    assert_eq!(again, recipe);
    assert!(recipe.to_toml().contains(&recipe.hash()));
    // It is complete, but for what the run derives, and begins as the sections do.
    let text = recipe.to_toml();
    assert!(text.contains("[sft.train.optim]") && text.contains("compare_without_cot"));
    assert!(!text.contains("master_weights") && !text.contains("layout"));
    assert!(text.find("[run]") < text.find("[data]"));
    Ok(())
}

#[test]
fn a_section_hash_sees_its_sections_only() -> Result<(), RecipeError> {
    let (a, b) = (tiny(&[])?, tiny(&["eval.batch=1"])?);
    assert_eq!(
        a.section_hash(&["data", "cot"]),
        b.section_hash(&["data", "cot"])
    );
    assert_ne!(a.section_hash(&["eval"]), b.section_hash(&["eval"]));
    Ok(())
}

#[test]
fn data_sources_are_told_apart() {
    assert_eq!(DataSource::parse("tiny"), DataSource::Tiny);
    let group = |name: &str| DataSource::Group(name.into());
    let public = |name: &str| DataSource::Public(name.into());
    assert_eq!(DataSource::parse("crossner-mit"), group("crossner-mit"));
    assert_eq!(DataSource::parse("instructuie-20"), group("instructuie-20"));
    assert_eq!(DataSource::parse("pile-ner-type"), public("pile-ner-type"));
    assert_eq!(DataSource::parse("NER-CoT"), public("ner-cot"));
    for path in ["some/dir", "./ner-cot", "rows.jsonl"] {
        assert_eq!(DataSource::parse(path), DataSource::Path(path.into()));
    }
}

#[test]
fn chains_of_thought_come_from_a_teacher_or_a_file() -> Result<(), RecipeError> {
    let source = |cot: &str| tiny(&[&format!("data.cot={cot}")]).map(|r| r.data.cot_source());
    assert_eq!(source("generate")?, CotSource::Generate);
    let published = CotSource::Ready(DataSource::Public("ner-cot".into()));
    assert_eq!(source("published")?, published);
    let file = CotSource::Ready(DataSource::Path("my.jsonl".into()));
    assert_eq!(source("my.jsonl")?, file);
    assert!(refused("data.cot=tiny").contains("generate, published or a file"));
    assert!(refused("data.sample_cap=0").contains("at least 1"));
    Ok(())
}

#[test]
fn seeds_follow_each_other() -> Result<(), RecipeError> {
    let seeds: Vec<u64> = tiny(&["run.seeds=3"])?.run.all_seeds().collect();
    assert_eq!(seeds, [42, 43, 44]);
    Ok(())
}

#[test]
fn an_open_table_takes_whatever_names_a_server_knows() -> Result<(), RecipeError> {
    let r = tiny(&[
        "cot.teacher_extra.reasoning_effort=low",
        "cot.judge_extra={chat_template_kwargs = {enable_thinking = false}}",
    ])?;
    let teacher = json_fields(&r.cot.teacher_extra);
    assert_eq!(teacher["reasoning_effort"], "low");
    let judge = json_fields(&r.cot.judge_extra);
    assert_eq!(judge["chat_template_kwargs"]["enable_thinking"], false);
    // What a run writes reads the same.
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("recipe.toml");
    std::fs::write(&path, r.to_toml()).expect("written");
    let again = Recipe::resolve(&path.display().to_string(), &[])?;
    assert_eq!(again.cot, r.cot);
    assert!(refused("cot.teacher_extra.temperature=1").contains("no other key"));
    assert!(refused("cot.teacher_extra=low").contains("expected a table"));
    Ok(())
}

#[test]
fn prices_are_where_they_are_paid_and_their_old_names_work() -> Result<(), RecipeError> {
    let r = tiny(&["plan.teacher_price_in=0.5", "plan.teacher_price_out=2"])?;
    assert_eq!((r.cot.price_in, r.cot.price_out), (0.5, 2.0));
    assert_eq!(r.notes.len(), 2, "{:?}", r.notes);
    assert!(refused("cot.budget_usd=5").contains("--price"));
    assert!(refused("cot.peak=now").contains("08:30-16:30x2"));
    assert!(refused("cot.rules_off=[\"langage\"]").contains("language"));
    Ok(())
}

#[test]
fn servers_speed_and_money_are_no_part_of_what_a_dataset_depends_on() -> Result<(), RecipeError> {
    let hash = |sets: &[&str]| tiny(sets).map(|r| r.section_hash(&["cot"]));
    let plain = hash(&["cot.teacher_url=http://a/v1", "cot.judge_url=http://a/v1"])?;
    let elsewhere = ["cot.teacher_url=http://b/v1", "cot.judge_url=http://b/v1"];
    for set in [
        "cot.concurrency=3",
        "cot.key_env=KEY",
        "cot.price_in=2",
        "cot.stream=true",
        "cot.journal=somewhere",
        "cot.rpm=7",
    ] {
        assert_eq!(hash(&[elsewhere[0], elsewhere[1], set])?, plain, "{set}");
    }
    for set in [
        "cot.attempts=5",
        "cot.judge_threshold=8",
        "cot.temperature=1",
        "cot.target=3",
        "cot.teacher_url=simulated",
    ] {
        assert_ne!(hash(&[elsewhere[0], elsewhere[1], set])?, plain, "{set}");
    }
    let grpo = |sets: &[&str]| tiny(sets).map(|r| r.section_hash(&["grpo"]));
    let model = "grpo.rollout.model=m";
    let one = grpo(&["grpo.rollout.url=http://a/v1", model])?;
    assert_eq!(grpo(&["grpo.rollout.url=http://b/v1", model])?, one);
    assert_ne!(grpo(&[model])?, one);
    assert!(refused("grpo.rollout.url=http://a/v1").contains("grpo.rollout.model"));
    Ok(())
}
