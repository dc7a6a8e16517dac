//! The plan's arithmetic against published figures and the paper's own.

use super::teacher::{PRICES, cost, judge_hours};
use super::{dims_of, memory, memory_of, profile_table, remedies, render, work};
use crate::recipe::{Recipe, RecipeError};

fn recipe(profile: &str, sets: &[&str]) -> Result<Recipe, RecipeError> {
    Recipe::resolve(
        profile,
        &sets.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(),
    )
}

#[test]
fn parameters_are_those_of_the_published_models() {
    let of = |id: &str| dims_of(id).map(|d| d.parameters());
    assert_eq!(of("Qwen/Qwen3-0.6B-Base"), Some(596_049_920));
    assert_eq!(of("Qwen/Qwen3-1.7B-Base"), Some(1_720_574_976));
    assert_eq!(of("Qwen/Qwen3-4B-Base"), Some(4_022_468_096));
    assert_eq!(of("Qwen/Qwen3-8B-Base"), Some(8_190_735_360));
    assert_eq!(of("Qwen/Qwen3-9B-Base"), None);
    assert_eq!(of("Qwen/Qwen2.5-0.5B"), Some(494_032_768));
    assert_eq!(of("Qwen/Qwen2.5-1.5B"), Some(1_543_714_304));
    assert_eq!(of("Qwen/Qwen2.5-3B"), Some(3_085_938_688));
    assert_eq!(of("Qwen/Qwen2.5-7B"), Some(7_615_616_512));
    assert_eq!(of("meta-llama/Llama-2-7b-hf"), Some(6_738_415_616));
    assert_eq!(of("meta-llama/Llama-3.1-8B"), Some(8_030_261_248));
    assert_eq!(of("meta-llama/Llama-3.2-1B"), Some(1_235_814_400));
    assert_eq!(of("meta-llama/Llama-3.2-3B"), Some(3_212_749_824));
}

#[test]
fn a_local_checkpoint_tells_its_own_dimensions() -> std::io::Result<()> {
    let dir = tempfile::tempdir()?;
    let config = r#"{"hidden_size": 4, "intermediate_size": 6, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 3, "vocab_size": 10,
        "tie_word_embeddings": true, "rope_theta": 10000.0}"#;
    std::fs::write(dir.path().join("config.json"), config)?;
    let dims = dims_of(&dir.path().display().to_string());
    // 10·4 + 2·(4·6 + 2·4·3 + 6·4 + 3·4·6 + 2·4 + 2·3) + 4, by hand.
    assert_eq!(dims.map(|d| d.parameters()), Some(360));
    assert_eq!(
        dims.map(|d| d.lora_parameters(1)),
        Some(2 * (10 + 7 + 7 + 10 + 10 + 10 + 10))
    );
    let parameters = |more: &str| -> std::io::Result<Option<u64>> {
        let config = config.replace("\"head_dim\": 3, ", "");
        let config = config.replacen('{', &format!("{{{more}, "), 1);
        std::fs::write(dir.path().join("config.json"), config)?;
        Ok(dims_of(&dir.path().display().to_string()).map(|d| d.parameters()))
    };
    // Heads of two and no norms of them: 10·4 + 2·(4·4 + 2·4·2 + 4·4 + 3·4·6 + 2·4) + 4; then 4 + 2 + 2 biases a
    // layer, and in a Llama that asks for all of them 4 + 2 + 2 + 4 and 6 + 6 + 4.
    assert_eq!(parameters("\"model_type\": \"llama\"")?, Some(300));
    assert_eq!(parameters("\"model_type\": \"qwen2\"")?, Some(316));
    let biases = "\"model_type\": \"llama\", \"attention_bias\": true, \"mlp_bias\": true";
    assert_eq!(parameters(biases)?, Some(300 + 2 * (12 + 16)));
    assert_eq!(parameters("\"model_type\": \"mixtral\"")?, None);
    Ok(())
}

#[test]
fn the_papers_sft_takes_895_steps() -> Result<(), RecipeError> {
    for profile in ["paper-8b", "qwen3-1.7b", "qwen3-0.6b-lora"] {
        let recipe = recipe(profile, &[])?;
        let steps = work::sft_steps(&recipe, 45_787);
        assert_eq!(
            (steps.per_epoch, steps.total, steps.warmup),
            (179, 895, 27),
            "{profile}"
        );
        assert_eq!(work::training_rows(&recipe), Some(45_787), "{profile}");
    }
    Ok(())
}

#[test]
fn grpo_steps_of_both_readings() -> Result<(), RecipeError> {
    let small = recipe(
        "paper-8b",
        &["data.grpo_samples=4703", "grpo.train.prompts_per_step=24"],
    )?;
    assert_eq!(work::grpo_steps(&small, 4703).total, 780);
    let large = recipe("paper-8b", &[])?;
    assert_eq!(work::grpo_steps(&large, 5000).total, 712);
    let capped = recipe("paper-8b", &["grpo.train.max_steps=25"])?;
    assert_eq!(work::grpo_steps(&capped, 5000).total, 100);
    assert_eq!(work::grpo_steps(&capped, 5000).warmup, 10);
    Ok(())
}

#[test]
fn the_benchmark_has_6470_sentences_unless_limited() -> Result<(), RecipeError> {
    let total = |r: &Recipe| work::eval_sentences(r).map(|s| s.iter().map(|(_, n)| n).sum());
    assert_eq!(total(&recipe("paper-8b", &[])?), Some(6470_usize));
    assert_eq!(total(&recipe("paper-8b", &["data.limit=100"])?), Some(700));
    assert_eq!(total(&recipe("tiny", &[])?), None);
    Ok(())
}

/// Dollars of 50,000 rows, 700 tokens in and 600, 1,200 or 3,000 out.
#[test]
fn teacher_costs_are_those_of_the_price_lists() {
    let rounded = |i: usize| [600, 1200, 3000].map(|t| cost(50_000, 700, t, &PRICES[i]).round());
    assert_eq!(rounded(0), [85.0, 151.0, 348.0]);
    assert_eq!(rounded(1), [83.0, 142.0, 320.0]);
    assert_eq!(rounded(2), [23.0, 41.0, 95.0]);
    let [slow, fast] = judge_hours(50_000);
    assert!(
        (slow - 9.98).abs() < 0.01 && (fast - 5.41).abs() < 0.01,
        "{slow} {fast}"
    );
}

/// The figures by hand: 8,190,735,360 parameters, of which each takes 2 bytes for itself, 4 for its gradient in single
/// precision and 12 in the optimizer on each of several devices.
#[test]
fn every_device_holds_the_whole_model_and_optimizer() -> Result<(), RecipeError> {
    let dims = dims_of("Qwen/Qwen3-8B-Base").expect("a known model");
    let p = dims.parameters();
    let several = memory::sft(&recipe("paper-8b", &[])?, &dims);
    let states = |m: &memory::Memory| m.weights + m.gradients + m.optimizer;
    assert_eq!(states(&several), p * 18);
    for dtype in ["bf16", "f32"] {
        let sets = ["hardware.gpus=1", &format!("model.dtype={dtype}")];
        let one = memory::sft(&recipe("paper-8b", &sets)?, &dims);
        assert_eq!((states(&one), one.temporary), (p * 16, 0), "{dtype}");
    }
    // More devices make no device lighter.
    let twice = memory::sft(&recipe("paper-8b", &["hardware.gpus=16"])?, &dims);
    assert_eq!(twice.total(), several.total());
    let grpo = memory::grpo(&recipe("paper-8b", &[])?, &dims);
    assert_eq!((grpo.reference, grpo.optimizer), (p * 2, p * 12));
    // 32 slots of 2,048 + 4,096 tokens, 2·36·8·128 numbers of two bytes each.
    assert_eq!(grpo.cache, 32 * 6144 * 73_728 * 2);
    assert_eq!(
        memory::grpo_other(&recipe("paper-8b", &[])?, &dims).optimizer,
        0
    );
    Ok(())
}

#[test]
fn what_does_not_fit_is_said_with_what_would() -> Result<(), RecipeError> {
    let fits = |name: &str| -> Result<bool, RecipeError> {
        let stages = memory_of(&recipe(name, &[])?).expect("a known model");
        Ok(stages.iter().all(|stage| stage.fits))
    };
    assert!(!fits("paper-8b")?);
    assert!(fits("paper-8b-lora")? && fits("qwen3-1.7b")? && fits("qwen3-0.6b-lora")?);
    let found = remedies(&recipe("paper-8b", &[])?);
    assert!(
        found.contains(&"--profile paper-8b-lora".to_owned()),
        "{found:?}"
    );
    let table = profile_table();
    let row = table.lines().find(|line| line.starts_with("paper-8b "));
    assert!(
        row.is_some_and(|row| row.ends_with("DOES NOT FIT")),
        "{table}"
    );
    Ok(())
}

#[test]
fn the_lora_profile_differs_from_the_paper_in_method_and_learning_rates_alone()
-> Result<(), RecipeError> {
    let (paper, mut lora) = (recipe("paper-8b", &[])?, recipe("paper-8b-lora", &[])?);
    lora.run.name.clone_from(&paper.run.name);
    (lora.sft.method, lora.grpo.method) = (paper.sft.method, paper.grpo.method);
    lora.sft.train.optim.lr = paper.sft.train.optim.lr;
    lora.grpo.train.optim.lr = paper.grpo.train.optim.lr;
    assert_eq!(lora, paper);
    Ok(())
}

#[test]
fn lora_needs_no_second_model_and_little_state() -> Result<(), RecipeError> {
    let dims = dims_of("Qwen/Qwen3-0.6B-Base").expect("a known model");
    let lora = memory::grpo(&recipe("qwen3-0.6b-lora", &[])?, &dims);
    let full = memory::grpo(
        &recipe("qwen3-0.6b-lora", &["sft.method=full", "grpo.method=full"])?,
        &dims,
    );
    assert_eq!(lora.reference, 0);
    assert_eq!(full.reference, dims.parameters() * 2);
    let adapters = dims.lora_parameters(32);
    assert_eq!(lora.weights, dims.parameters() * 2 + adapters * 4);
    assert_eq!(lora.gradients + lora.optimizer, adapters * 12);
    assert!(lora.total() < full.total());
    Ok(())
}

#[test]
fn the_text_of_the_papers_plan_holds_its_figures() -> Result<(), RecipeError> {
    let recipe = recipe("paper-8b", &[])?;
    let text = render(&recipe, dims_of(&recipe.model.base).as_ref());
    for part in [
        "45,787 rows: 179 an epoch, 895 in all, 27 of warm-up",
        "712 in all",
        "780 (4,703 prompts, 384 completions)",
        "6,470 sentences",
        "8,190,735,360 parameters",
        "$78 / $138 / $319",
        "Universal-NER/Pile-NER-type",
        "DOES NOT FIT",
        "--profile paper-8b-lora",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    Ok(())
}

#[test]
fn the_tiny_plan_needs_no_network() -> Result<(), RecipeError> {
    let recipe = recipe("tiny", &["model.base=."])?;
    let text = render(&recipe, None);
    assert!(text.contains("Downloads\n  none"), "{text}");
    assert!(
        text.contains("simulated by this program: no network, no cost"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_small_device_is_told_apart() -> Result<(), RecipeError> {
    let recipe = recipe(
        "paper-8b",
        &["hardware.gpus=1", "hardware.gpu_memory_gib=24"],
    )?;
    let text = render(&recipe, dims_of(&recipe.model.base).as_ref());
    assert!(text.contains("DOES NOT FIT"), "{text}");
    Ok(())
}
