"""What `test_integrity_promotion` breaks on its world, and the checks that have to notice."""

PLANTS_OF_PROMOTIONS = {
    "another list under a choice": (
        "UPDATE offers_promotionenrolment SET product_list_id = %(other_list)s WHERE id = %(held)s",
        {"promotion_choice_outside_its_list"},
    ),
    "a maximum below what was chosen": (
        "UPDATE offers_personalizedpromotion SET maximum_distinct_products = 1 WHERE id = %(promotion)s",
        {"promotion_choice_above_the_maximum"},
    ),
    "a choice whose moment is gone": (
        "UPDATE offers_promotionenrolment SET chosen_at = NULL WHERE id = %(held)s",
        {"promotion_choice_without_its_moment"},
    ),
    "a moment without a choice": (
        "DELETE FROM offers_promotionchoice WHERE enrolment_id = %(held)s",
        {"promotion_choice_without_its_moment"},
    ),
    "a member of another programme": (
        "UPDATE offers_promotionenrolment SET member_id = %(stranger)s WHERE id = %(held)s",
        {"promotion_enrolment_out_of_place"},
    ),
    "a product of another programme": (
        "UPDATE offers_promotionlistitem SET product_id = %(strange_product)s WHERE product_list_id = %(other_list)s",
        {"promotion_enrolment_out_of_place"},
    ),
}
